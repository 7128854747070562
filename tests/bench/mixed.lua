-- Decisions as post.lua sends them, every second one under an id of the client's own choice.
local threads = 0

function setup(thread)
    threads = threads + 1
    thread:set("number", threads)
end

local filler = string.rep("x", 400)
local sent = 0
local salt

function init()
    math.randomseed(os.time() * 1000 + number)
    salt = math.random(0, 16777215)
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    wrk.headers["Authorization"] = "Bearer ingest"
end

local function id_of(place)
    if place % 2 == 0 then
        return string.format("order:%06x:%d:%d", salt, os.time(), place)
    end
    local stamp = string.format("%012x", os.time() * 1000)
    return string.format(
        "%s-%s-7%03x-a%03x-%06x%06x", stamp:sub(1, 8), stamp:sub(9), number, math.random(0, 4095), place, salt
    )
end

function request()
    sent = sent + 1
    local body = '{"decisionId":"' .. id_of(sent) .. '","userId":"user-' .. sent % 1000
        .. '","occurredAt":"' .. os.date("!%Y-%m-%dT%H:%M:%SZ") .. '","action":"raise_difficulty","durationMs":12.5,"stateSnapshot":{"mood":0.5,"text":"' .. filler
        .. '"},"difficultyFactors":{"length":1.25,"speed":0.75},"triggers":["slow_answer"]}'
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
