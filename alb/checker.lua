-- Makes an HTTP status of a health check's grpc-status, since Envoy's health checks can compare only that.
-- PASSING is put before this text: pairs of codes, from and to.

local function passes(status)
  for _, range in ipairs(PASSING) do
    if status and range[1] <= status and status <= range[2] then return true end
  end
  return false
end

local function grpc_status(handle)
  local status = handle:headers():get("grpc-status")
  if status then return status end
  handle:body(true) -- waits for the end, while the headers can still be changed
  local trailers = handle:trailers()
  return trailers and trailers:get("grpc-status")
end

-- A check says in a header which address is meant; the request goes to its authority.
function envoy_on_request(handle)
  local headers = handle:headers()
  headers:replace(":authority", headers:get("x-checked-address"))
  headers:remove("x-checked-address")
end

function envoy_on_response(handle)
  local answered = handle:headers():get(":status") == "200"
  local well = answered and passes(tonumber(grpc_status(handle)))
  handle:headers():replace(":status", well and "200" or "503")
end
