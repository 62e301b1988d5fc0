"""A balancer for one machine that behaves like an AWS Application Load Balancer: `python -m alb`.

Envoy does the work. What is here says how (`envoy`, `health` and two scripts in Lua), starts it (`balancer`),
and starts two servers behind it (`tasks`).
"""
