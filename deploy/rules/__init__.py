"""Rules for cfn-lint about what a gRPC service behind a balancer needs, and stock rules do not see."""
