package smrtredis

import "github.com/redis/rueidis"

// What is under the keys of a cache, as text:
//
//	entry       E run generations | codec value     of a Fill, with the time that it has
//	            L run token                         a lease, with its time
//	            X id:until;id:until;                blocks, without a time: a server that is
//	                                                short of memory may remove what has one
//	floor       run id known position
//	generation  V number, or blocks as above
//	sequence    run random number
//
// The run is the server's run_id, which the scripts ask for: a client that kept it would
// be told too late of another one. A script is one step, so that the order of its commands
// only matters to who reads it.

// shared are functions of all scripts.
const shared = `
local info = redis.call('INFO', 'server')
local at = string.find(info, 'run_id:', 1, true) + 7
local run = string.sub(info, at, at + 39)
local zero = string.rep('0', 40)

-- a floor, or what stands for one that is not there
local function floor(f, id)
  if f and string.sub(f, 1, #run) == run then
    return f
  end
  return run .. id .. '0' .. (f and #f >= 97 and string.sub(f, -40) or zero)
end

local function parts(f)
  return string.sub(f, #run + 1, #run + 16), string.sub(f, #run + 17, #run + 17), string.sub(f, #run + 18)
end

local function now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- the blocks of a text that still stand, but for one
local function standing(v, lifted)
  local left, t = '', now()
  for id, till in string.gmatch(v, '(%x+):(%d+);') do
    if id ~= lifted and tonumber(till) > t then
      left = left .. id .. ':' .. till .. ';'
    end
  end
  return left ~= '' and 'X' .. left
end

local function first(key)
  local v = redis.pcall('GETRANGE', key, 0, 0)
  return type(v) == 'string' and v
end

local function blocksOf(key, lifted)
  return first(key) == 'X' and standing(redis.call('GET', key), lifted)
end

local function sequence(key, random)
  local v = redis.call('MGET', key)[1]
  if v and string.sub(v, 1, #run) == run then
    return string.sub(v, 1, #run + 16), tonumber(string.sub(v, #run + 17))
  end
  return run .. random, 0
end

local function publish(key, random, channel, message)
  local stream, n = sequence(key, random)
  n = string.format('%.0f', n + 1)
  redis.call('SET', key, stream .. n)
  redis.call('PUBLISH', channel, stream .. ' ' .. n .. ' ' .. message)
end
`

var (
	// KEYS: entries, floors, generations. ARGV: how many of each, the time of a lease, and
	// 13 digits of random numbers, which the places of keys make 16. Returns the run,
	// generations, floors, and the entries or the letter of their state.
	getScript = rueidis.NewLuaScript(shared + `
local n, nf, ng, lease = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local v = redis.call('MGET', unpack(KEYS))
local function new(i) return ARGV[5] .. string.format('%03x', i) end
local blocked, generations, floors = false, {}, {}
for i = n + nf + 1, #KEYS do
  local g = v[i]
  if g and string.sub(g, 1, 1) == 'X' then
    g = standing(g)
    blocked = blocked or g
  end
  if not g then
    g = 'V' .. new(i)
    redis.call('SET', KEYS[i], g)
  end
  generations[#generations + 1] = string.sub(g, 1, 1) == 'V' and string.sub(g, 2) or '0'
end
for i = n + 1, n + nf do
  local f = floor(v[i], new(i))
  if f ~= v[i] then
    redis.call('SET', KEYS[i], f)
  end
  floors[#floors + 1] = string.sub(f, #run + 1)
end
generations = table.concat(generations, ',')
local header = 'E' .. run .. generations .. '|'
local held = 'L' .. run
local answer = {run, generations, table.concat(floors)}
for i = 1, n do
  local e, state = v[i], nil
  if e and string.sub(e, 1, 1) == 'X' then
    e = standing(e)
    state = e and 'b'
  end
  if blocked or state then
    state = 'b'
  elseif e and string.sub(e, 1, #header) == header then
    state = e
  elseif e and string.sub(e, 1, #held) == held then
    state = 'h'
  elseif lease == '0' then
    state = 'a'
  else
    local token = new(i)
    redis.call('SET', KEYS[i], held .. token, 'PX', lease)
    state = token
  end
  answer[3 + i] = state
end
return answer
`)

	// KEYS: entries. ARGV: of each the token, the time, the generations, and codec and value.
	putScript = rueidis.NewLuaScript(shared + `
local put = {}
for i, key in ipairs(KEYS) do
  local token, ttl, generations, value = ARGV[4 * i - 3], ARGV[4 * i - 2], ARGV[4 * i - 1], ARGV[4 * i]
  put[i] = 0
  if first(key) == 'L' and redis.call('GET', key) == 'L' .. run .. token then
    if ttl == '0' then
      redis.call('DEL', key)
    else
      redis.call('SET', key, 'E' .. run .. generations .. '|' .. value, 'PX', ttl)
      put[i] = 1
    end
  end
end
return put
`)

	// KEYS: the floor. ARGV: its id and a position.
	floorScript = rueidis.NewLuaScript(shared + `
local id, known, position = parts(floor(redis.call('MGET', KEYS[1])[1], string.rep('0', 16)))
local to = ARGV[2]
if id ~= ARGV[1] or known ~= '0' then
  return 0
end
if string.sub(position, 1, 16) == string.sub(to, 1, 16) then
  if string.sub(position, 17, 24) > string.sub(to, 17, 24) then
    return 0
  end
  if string.sub(position, 17, 24) == string.sub(to, 17, 24) and position > to then
    to = position
  end
end
redis.call('SET', KEYS[1], run .. id .. '1' .. to)
return 1
`)

	// KEYS: the sequence, floors, generations, entries. ARGV: channel, message, how many
	// floors and generations, a random number, the position, the lifted block, and a random
	// number for each floor and generation.
	invalidateScript = rueidis.NewLuaScript(shared + `
local nf, ng, random, to, lift = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7]
for i = 1, nf do
  local key, new = KEYS[1 + i], ARGV[7 + i]
  local id, known, position = parts(floor(redis.call('MGET', key)[1], new))
  if to == zero then
    id, known = new, '0'
  elseif position == zero then
    position = to
  elseif string.sub(position, 1, 24) ~= string.sub(to, 1, 24) then
    id, known = new, '0'
    if string.sub(position, 1, 16) ~= string.sub(to, 1, 16) or to > position then
      position = to
    end
  elseif to > position then
    position = to
  end
  redis.call('SET', key, run .. id .. known .. position)
end
for i = 1 + nf + 1, 1 + nf + ng do
  redis.call('SET', KEYS[i], blocksOf(KEYS[i], lift) or 'V' .. ARGV[6 + i])
end
for i = 1 + nf + ng + 1, #KEYS do
  local left = blocksOf(KEYS[i], lift)
  if left then
    redis.call('SET', KEYS[i], left)
  else
    redis.call('DEL', KEYS[i])
  end
end
publish(KEYS[1], random, ARGV[1], ARGV[2])
return 1
`)

	// KEYS: the sequence, generations and entries. ARGV: channel, message, a random number,
	// the block and its time.
	blockScript = rueidis.NewLuaScript(shared + `
local till = string.format('%.0f', now() + tonumber(ARGV[5]))
for i = 2, #KEYS do
  redis.call('SET', KEYS[i], (blocksOf(KEYS[i], ARGV[4]) or 'X') .. ARGV[4] .. ':' .. till .. ';')
end
publish(KEYS[1], ARGV[3], ARGV[1], ARGV[2])
return 1
`)

	// KEYS: the sequence. ARGV: a random number.
	sequenceScript = rueidis.NewLuaScript(shared + `
local stream, n = sequence(KEYS[1], ARGV[1])
n = string.format('%.0f', n)
redis.call('SET', KEYS[1], stream .. n)
return {stream, n}
`)
)
