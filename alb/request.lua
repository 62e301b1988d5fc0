-- What an ALB does with a request before it chooses a target.

-- 464 is ALB's answer to what a gRPC target group cannot serve. Envoy would turn a local reply to
-- something that calls itself gRPC into an OK of HTTP, so the status is put back on the way out.
local MISMATCH = "464"

local function is_grpc(handle)
  local headers = handle:headers()
  return handle:streamInfo():protocol() == "HTTP/2"
    and headers:get(":method") == "POST"
    and (headers:get("content-type") or ""):match("^application/grpc") ~= nil
end

-- Without a seed every Envoy makes the same numbers; where memory was given differs between two of the same second.
math.randomseed(os.time() + tonumber(tostring({}):match("0x(%x+)"), 16) % 0x7fffffff)

-- Root=1-<time in hex>-<24 hex digits>, the grammar of X-Ray. A client's own is kept behind ours.
local function trace_id()
  local function digits() return math.random(0, 0x7fffffff) end
  return string.format("1-%08x-%08x%08x%08x", os.time(), digits(), digits(), digits())
end

function envoy_on_request(handle)
  if not is_grpc(handle) then
    handle:streamInfo():dynamicMetadata():set("alb", "mismatch", true)
    handle:respond({ [":status"] = MISMATCH }, "")
    return
  end
  local headers = handle:headers()
  local given = headers:get("x-amzn-trace-id")
  headers:replace("x-amzn-trace-id", given and ("Self=" .. trace_id() .. ";" .. given) or ("Root=" .. trace_id()))
end

function envoy_on_response(handle)
  local noted = handle:streamInfo():dynamicMetadata():get("alb")
  if noted and noted["mismatch"] then
    local headers = handle:headers()
    headers:replace(":status", MISMATCH)
    headers:remove("grpc-status")
    headers:remove("grpc-message")
    headers:remove("content-type")
  end
end
