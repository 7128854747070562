-- Decisions of about 750 bytes, each with an id of its own: a UUIDv7 of this second.
local threads = 0

function setup(thread)
    threads = threads + 1
    thread:set("number", threads)
end

local filler = string.rep("x", 400)
local sent = 0

function init()
    math.randomseed(os.time() * 1000 + number)
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    wrk.headers["Authorization"] = "Bearer ingest"
end

function request()
    sent = sent + 1
    local stamp = string.format("%012x", os.time() * 1000)
    local id = string.format(
        "%s-%s-7%03x-a%03x-%06x%06x", stamp:sub(1, 8), stamp:sub(9), number, math.random(0, 4095), sent, math.random(0, 16777215)
    )
    local body = '{"decisionId":"' .. id .. '","userId":"user-' .. sent % 1000
        .. '","action":"raise_difficulty","durationMs":12.5,"stateSnapshot":{"mood":0.5,"text":"' .. filler
        .. '"},"difficultyFactors":{"length":1.25,"speed":0.75},"triggers":["slow_answer"],'
        .. '"model":{"name":"bandit","version":"2024-12-03","arms":[1,2,3,4,5,6,7,8]}}'
    return wrk.format(nil, nil, nil, body)
end

function done(summary, latency)
    local failed = summary.errors.connect + summary.errors.read + summary.errors.write
        + summary.errors.status + summary.errors.timeout
    io.write(string.format(
        '{"requests":%d,"seconds":%f,"failed":%d,"p50_ms":%f,"p99_ms":%f}\n',
        summary.requests, summary.duration / 1e6, failed, latency:percentile(50) / 1000, latency:percentile(99) / 1000
    ))
end
