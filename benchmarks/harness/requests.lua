-- wrk -s requests.lua URL -- FILE THREADS
-- FILE holds raw requests, each after a line with its length. Each is sent once; wrk itself would go on until its time
-- is over, so each thread that has all its answers leaves a mark FILE.doneN for whoever interrupts wrk then.
-- The clock runs from the first request to the last answer: wrk's own duration counts its start and its end, too.
local threads = {}
local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long tv_sec; long tv_usec; } bench_timeval;
  int gettimeofday(bench_timeval *tv, void *tz);
]]
local clock = ffi.new("bench_timeval")

function now()
  ffi.C.gettimeofday(clock, nil)
  return tonumber(clock.tv_sec) + tonumber(clock.tv_usec) / 1e6
end

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

function init(args)
  file_name, marked = args[1], false
  queue, nextone, answered, refused, first, last = {}, 0, 0, 0, 0, 0
  local file, at = io.open(args[1], "rb"), 0
  while true do
    local size = file:read("*n")
    if not size then break end
    file:read(1)
    local raw = file:read(size)
    if at % tonumber(args[2]) == number then table.insert(queue, raw) end
    at = at + 1
  end
  file:close()
end

function request()
  if nextone == 0 then first = now() end
  nextone = nextone + 1
  return queue[((nextone - 1) % #queue) + 1]
end

function response(status)
  -- Requests that are sent again after the last answer has come do not count.
  if answered < #queue then
    answered = answered + 1
    if status >= 400 then refused = refused + 1 end
    last = now()
  end
  if answered == #queue and not marked then
    marked = true
    io.open(file_name .. ".done" .. number, "w"):close()
  end
end

function done(summary, latency, requests)
  local count, bad, begun, ended = 0, 0, math.huge, 0
  for _, thread in ipairs(threads) do
    count = count + thread:get("answered")
    bad = bad + thread:get("refused")
    begun = math.min(begun, thread:get("first"))
    ended = math.max(ended, thread:get("last"))
  end
  local broken = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format('\n{"requests": %d, "seconds": %.4f, "refused": %d, "broken": %d, "p50": %.3f, "p99": %.3f}\n',
    count, ended - begun, bad, broken, latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
