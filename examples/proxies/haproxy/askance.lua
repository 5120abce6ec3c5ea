-- Asks askance of each request, by the HTTP client that HAProxy has built in (2.6 and later; no other script is needed):
--     http-request lua.askance http://127.0.0.1:8472/v1/hook/forward
-- behind what names the user and writes the X-Forwarded headers. Only a 200 passes; every other answer goes to the client as it is,
-- and where there is none, the client gets 503.

local SENT = {
    "cookie", "user-agent", "accept", "sec-fetch-mode", "x-requested-with", "remote-user",
    "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-uri", "x-forwarded-method",
}
local ADVERTISED = {
    "x-askance-action", "x-askance-confidence", "x-askance-score", "x-askance-reasons", "x-askance-decision", "x-askance-user",
}
local HANDED_ON = { "location", "www-authenticate", "content-type", "cache-control", "retry-after" }
local TIMEOUT_MS = 2000

-- HAProxy counts lines of a header from 0.
local function lines(header)
    local all = {}
    local at = 0
    while header ~= nil and header[at] ~= nil do
        all[#all + 1] = header[at]
        at = at + 1
    end
    return all
end

core.register_action("askance", { "http-req" }, function(txn, url)
    local given = txn.http:req_get_headers()
    local headers = {}
    for _, name in ipairs(SENT) do
        local values = lines(given[name])
        if #values > 0 then
            headers[name] = values
        end
    end
    local answer = core.httpclient():get({ url = url, headers = headers, timeout = TIMEOUT_MS })
    local status = answer and answer.status or 0
    if status == 200 then
        for _, name in ipairs(ADVERTISED) do
            txn.http:req_set_header(name, lines(answer.headers[name])[1] or "none")
        end
        return
    end
    -- What the client of HAProxy says by itself has no header of ours.
    local is_answer = status >= 300 and status < 500 and answer.headers["x-request-id"] ~= nil
    local reply = txn:reply({ status = is_answer and status or 503 })
    if is_answer then
        for _, name in ipairs(HANDED_ON) do
            for _, value in ipairs(lines(answer.headers[name])) do
                reply:add_header(name, value)
            end
        end
        reply:set_body(answer.body or "")
    end
    txn:done(reply)
end, 1)
