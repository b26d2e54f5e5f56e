-- wrk sends 512 distinct bodies in turn: one input repeated would flatter branch predictors and caches.
-- Arguments: path, file with one JSON body a line.
local requests, next_request = {}, 0

function init(args)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  for body in io.lines(args[2]) do
    requests[#requests + 1] = wrk.format("POST", args[1], nil, body)
  end
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end

function done(summary, latency)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read +
                 summary.errors.write + summary.errors.timeout
  io.write(string.format("RESULT %d %.6f %d %.1f %.1f\n", summary.requests, summary.duration / 1e6,
                         failed, latency:percentile(50), latency:percentile(99)))
end
