//! What Redis does in one step. The scripts compare and store; what is learnt, merged or judged is decided outside of them.
//!
//! Keys beyond those that are named lie in the same slot: they begin with the tag's prefix, which is handed over.

use ::redis::Cmd;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// A script, and the hash by which Redis knows it.
#[derive(Debug)]
pub(super) struct Script {
    text: &'static str,
    sha: String,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) share: Script,
    pub(super) settle: Script,
    pub(super) replace: Script,
    pub(super) erase: Script,
    pub(super) greet: Script,
    pub(super) give_up: Script,
    pub(super) tell: Script,
    pub(super) put_together: Script,
    pub(super) put: Script,
    pub(super) leave: Script,
    pub(super) arrive: Script,
    pub(super) left: Script,
}

/// One call of a script.
#[derive(Debug, Clone, Copy)]
pub(super) struct Invocation<'a> {
    pub(super) script: &'a Script,
    pub(super) keys: &'a [&'a [u8]],
    pub(super) arguments: &'a [&'a [u8]],
}

impl Invocation<'_> {
    /// By its hash.
    pub(super) fn short(&self) -> Cmd {
        self.command("EVALSHA", &self.script.sha)
    }

    /// By its text, which Redis then knows: for a server that was restarted or told to forget.
    pub(super) fn long(&self) -> Cmd {
        self.command("EVAL", self.script.text)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = ::redis::cmd(name);
        command.arg(script).arg(self.keys.len());
        for part in self.keys.iter().chain(self.arguments) {
            command.arg(*part);
        }
        command
    }
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            share: Script::new(SHARE),
            settle: Script::new(SETTLE),
            replace: Script::new(REPLACE),
            erase: Script::new(ERASE),
            greet: Script::new(GREET),
            give_up: Script::new(GIVE_UP),
            tell: Script::new(TELL),
            put_together: Script::new(PUT_TOGETHER),
            put: Script::new(PUT),
            leave: Script::new(LEAVE),
            arrive: Script::new(ARRIVE),
            left: Script::new(LEFT),
        }
    }

    pub(super) fn all(&self) -> [&Script; 12] {
        let Self { share, settle, replace, erase, greet, give_up, tell, put_together, put, leave, arrive, left } = self;
        [share, settle, replace, erase, greet, give_up, tell, put_together, put, leave, arrive, left]
    }
}

impl Script {
    fn new(text: &'static str) -> Self {
        // Redis names scripts so; nothing is protected by it.
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let sha = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { text, sha }
    }

    pub(super) fn load(&self) -> Cmd {
        let mut command = ::redis::cmd("SCRIPT");
        command.arg("LOAD").arg(self.text);
        command
    }
}

/// A login: compares the version of the user's row, then stores the row and the decision. 1, or the row as it is where somebody else
/// changed it: then nothing is stored, but the decision if it is to be kept in any case, and not of before an erasure.
///
/// A row begins with its version (8 bytes) and the time of the last erasure in ms. The look at the row behind its change has the
/// server go on telling this connection of further changes.
const SHARE: &str = r"
local row, decision, of_user, of_tag = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local version, value, row_ttl_s, record, record_ttl_s = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local id, user, room, oldest, in_any_case, made_ms, prefix = ARGV[6], ARGV[7], tonumber(ARGV[8]), ARGV[9], ARGV[10], ARGV[11], ARGV[12]
local current = redis.call('GET', row) or ''
local same = string.sub(current, 1, 8) == version
if not same and in_any_case ~= '1' then return current end
if same and value ~= '' then
  redis.call('SET', row, value, 'EX', row_ttl_s)
  redis.call('EXISTS', row)
end
local erased = current ~= '' and struct.unpack('<I8', current, 9) >= tonumber(made_ms)
if record ~= '' and (same or not erased) then
  redis.call('SET', decision, record, 'EX', record_ttl_s)
  redis.call('ZREMRANGEBYLEX', of_user, '-', '(' .. oldest)
  redis.call('ZADD', of_user, 0, id)
  redis.call('EXPIRE', of_user, record_ttl_s)
  redis.call('ZREMRANGEBYLEX', of_tag, '-', '(' .. oldest)
  redis.call('ZADD', of_tag, 0, id .. user)
  local over = redis.call('ZCARD', of_tag) - room
  if over > 0 then
    local gone = redis.call('ZPOPMIN', of_tag, over)
    for at = 1, #gone, 2 do
      redis.call('DEL', prefix .. 'd:' .. string.sub(gone[at], 1, 16))
      redis.call('ZREM', prefix .. 'i:' .. string.sub(gone[at], 17, 32), string.sub(gone[at], 1, 16))
    end
  end
end
if same then return 1 end
return current
";

/// An outcome: where decision and row are still what they were, the decision is replaced, the lesson stored, and the decision moves
/// to the list of those that wait no longer. 1; 0 where the decision is another one by now; or the row as it is.
const SETTLE: &str = r"
local row, decision, from_known, from_strangers, to = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local version, value, row_ttl_s, seen, record, id, user = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local room, prefix = tonumber(ARGV[8]), ARGV[9]
local held = redis.call('GET', decision)
if not held or string.sub(held, 1, #seen) ~= seen then return 0 end
if value ~= '' then
  local current = redis.call('GET', row) or ''
  if string.sub(current, 1, 8) ~= version then return current end
  redis.call('SET', row, value, 'EX', row_ttl_s)
  redis.call('EXISTS', row)
end
redis.call('SET', decision, record, 'KEEPTTL')
local member = id .. user
redis.call('ZREM', from_known, member)
redis.call('ZREM', from_strangers, member)
redis.call('ZADD', to, 0, member)
local over = redis.call('ZCARD', to) - room
if over > 0 then
  local gone = redis.call('ZPOPMIN', to, over)
  for at = 1, #gone, 2 do
    redis.call('DEL', prefix .. 'd:' .. string.sub(gone[at], 1, 16))
    redis.call('ZREM', prefix .. 'i:' .. string.sub(gone[at], 17, 32), string.sub(gone[at], 1, 16))
  end
end
return 1
";

/// Replaces a decision that is still what it was: 1, else 0.
const REPLACE: &str = r"
local held = redis.call('GET', KEYS[1])
if not held or string.sub(held, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
";

/// Takes away all that is known of a user, leaves when that was, and has every replica forget, too. What is left of the record has it
/// that no copy of before arrives behind it.
const ERASE: &str = r"
local row, of_user, record = KEYS[1], KEYS[2], KEYS[7]
local value, row_ttl_s, user, prefix, now, left_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]
local held = redis.call('GET', record) or ''
if held ~= '' then now = math.max(now, struct.unpack('<I8', held, 10) + 1) end
redis.call('SET', record, 'E' .. string.rep('\0', 8) .. struct.pack('<I8', now) .. string.rep('\0', 8), 'PX', left_ms)
redis.call('EXISTS', record)
for _, id in ipairs(redis.call('ZRANGE', of_user, 0, -1)) do
  redis.call('DEL', prefix .. 'd:' .. id)
  for at = 3, 6 do redis.call('ZREM', KEYS[at], id .. user) end
end
redis.call('DEL', of_user)
redis.call('SET', row, value, 'EX', row_ttl_s)
redis.call('EXISTS', row)
redis.call('PUBLISH', 'askance:erased', user)
return 1
";

/// Whose deployment's it is, and in which format; ours where nobody's, if it may be nobody's. This connection is told when it changes.
const GREET: &str = r"
local held = redis.call('GET', KEYS[1])
if held then return held end
if ARGV[2] ~= '1' then return '' end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('EXISTS', KEYS[1])
return ARGV[1]
";

/// Takes away the row of a user who goes on under another key, if it still is of this version; what is left is when they were
/// erased, if they were. 1, else 0.
const GIVE_UP: &str = r"
local current = redis.call('GET', KEYS[1]) or ''
if string.sub(current, 1, 8) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) end
redis.call('EXISTS', KEYS[1])
return 1
";

/// Appends a replica's batch, once: whoever does not know whether it was appended sends it again. What is older than is kept goes,
/// by the server's clock. 1, or 0 where it is there.
const TELL: &str = r"
local stream, of_replica = KEYS[1], KEYS[2]
local replica, number, batch, kept_s = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
if tonumber(redis.call('GET', of_replica) or '0') >= number then return 0 end
local oldest_ms = string.format('%.0f', (tonumber(redis.call('TIME')[1]) - kept_s) * 1000)
redis.call('XADD', stream, 'MINID', '~', oldest_ms, '*', 'r', replica, 'b', batch)
redis.call('EXPIRE', stream, 86400)
redis.call('SET', of_replica, ARGV[2], 'EX', 86400)
return 1
";

/// Replaces a part that is put together up to the entry that was seen: 1, else 0.
const PUT_TOGETHER: &str = r"
local held = redis.call('GET', KEYS[1]) or ''
if string.sub(held, 1, 16) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
";

/// Puts a record of the vault over the one that was read: 1, or 0 where it is another one by now, or on its way to another key. A record
/// is its state, its version, its generation, when it ends in ms (0 is never), and what it says. The generation grows with each
/// change, and is the time where it can be.
const PUT: &str = r"
local over, version, value, ttl_ms, now = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local held = redis.call('GET', KEYS[1]) or ''
local found, generation = '', now
if held ~= '' then
  local state, ends = string.sub(held, 1, 1), struct.unpack('<I8', held, 18)
  if state == 'M' or state == 'D' then return 0 end
  if state == 'L' and (ends == 0 or now <= ends) then found = string.sub(held, 2, 9) end
  generation = math.max(now, struct.unpack('<I8', held, 10) + 1)
end
if found ~= over then return 0 end
local state = 'L'
if value == '' then state, value = 'E', string.rep('\0', 8) end
value = state .. version .. struct.pack('<I8', generation) .. value
if ttl_ms == '' then redis.call('SET', KEYS[1], value) else redis.call('SET', KEYS[1], value, 'PX', ttl_ms) end
redis.call('EXISTS', KEYS[1])
return 1
";

/// A record is to go to another key: nobody puts over it here any more. The record, or nothing where there is none to go.
const LEAVE: &str = r"
local held = redis.call('GET', KEYS[1]) or ''
local state = string.sub(held, 1, 1)
if state == 'L' then
  local generation = math.max(tonumber(ARGV[1]), struct.unpack('<I8', held, 10) + 1)
  held = 'M' .. string.sub(held, 2, 9) .. struct.pack('<I8', generation) .. string.sub(held, 18)
  redis.call('SET', KEYS[1], held, 'KEEPTTL')
  redis.call('EXISTS', KEYS[1])
elseif state ~= 'M' then
  return false
end
return held
";

/// A record that left another key is here from now on, unless something newer is.
const ARRIVE: &str = r"
local arriving, ttl_ms = ARGV[1], ARGV[2]
local held = redis.call('GET', KEYS[1]) or ''
if held ~= '' and struct.unpack('<I8', held, 10) >= struct.unpack('<I8', arriving, 10) then return 0 end
local value = 'L' .. string.sub(arriving, 2)
if ttl_ms == '' then redis.call('SET', KEYS[1], value) else redis.call('SET', KEYS[1], value, 'PX', ttl_ms) end
redis.call('EXISTS', KEYS[1])
return 1
";

/// A record has arrived: nothing of it is left here but that it has, for a while.
const LEFT: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], 'D' .. string.sub(ARGV[1], 2, 17) .. string.rep('\0', 8), 'PX', ARGV[2])
redis.call('EXISTS', KEYS[1])
return 1
";
