-- A ledger as the program made it at 67f9142, version 9, with a few rows.
CREATE TABLE "alerts" (
  id          TEXT PRIMARY KEY,
  host        TEXT NOT NULL,
  sid         TEXT NOT NULL,
  rid         TEXT NOT NULL,
  mac         TEXT NOT NULL,
  search_name TEXT NOT NULL,
  received    INTEGER NOT NULL,
  severity    INTEGER NOT NULL,
  key         BLOB NOT NULL,
  alert       BLOB NOT NULL,               -- JSON, see storedAlert; without its fields when bare
  bytes       INTEGER NOT NULL,            -- length of alert as it was received
  bare        INTEGER NOT NULL,            -- 1: its fields are past retention
  notable     INTEGER NOT NULL,
  seq         INTEGER NOT NULL,
  record      BLOB NOT NULL,
  state       TEXT NOT NULL,
  reason      TEXT NOT NULL,
  proposal    TEXT NOT NULL,
  source      TEXT NOT NULL,
  actor       TEXT NOT NULL,
  would       TEXT NOT NULL,
  rule        TEXT NOT NULL,
  cost        INTEGER NOT NULL,
  derived     TEXT NOT NULL,
  joined      TEXT NOT NULL,
  advice      BLOB
);
CREATE TABLE "answers" (
  id       TEXT NOT NULL,
  seq      INTEGER NOT NULL,
  deflated INTEGER NOT NULL,
  body     BLOB NOT NULL,
  PRIMARY KEY (id, seq)
);
CREATE TABLE call_tallies (                -- what the calls of the ledger add up to
  model    TEXT NOT NULL,
  task     TEXT NOT NULL,
  agent    TEXT NOT NULL,
  state    TEXT NOT NULL,
  replay   INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  input    INTEGER NOT NULL,
  output   INTEGER NOT NULL,
  booked   INTEGER NOT NULL,
  PRIMARY KEY (model, task, agent, state, replay)
) WITHOUT ROWID;
CREATE TABLE calls (                       -- calls to paid models, a row an attempt
  n           INTEGER PRIMARY KEY AUTOINCREMENT, -- number of the booking
  alert       TEXT NOT NULL,
  search      TEXT NOT NULL,
  team        TEXT NOT NULL,
  task        TEXT NOT NULL,
  agent       TEXT NOT NULL,
  model       TEXT NOT NULL,               -- as it is billed
  source      TEXT NOT NULL,               -- name of the [model:NAME]
  prompt      TEXT NOT NULL,               -- version
  attempt     INTEGER NOT NULL,
  replay      INTEGER NOT NULL,            -- 1: asked for by a replay, not for the decision
  reserve     INTEGER NOT NULL,            -- nano-dollars, as booked
  booked      INTEGER NOT NULL,
  unpriced    INTEGER NOT NULL,
  state       TEXT NOT NULL,               -- see CallState
  reason      TEXT NOT NULL,
  at          INTEGER NOT NULL,
  fields      TEXT NOT NULL,               -- JSON list of the names of fields that left the building
  bytes       INTEGER NOT NULL,
  sha256      TEXT NOT NULL,               -- of what left the building
  input       INTEGER NOT NULL DEFAULT 0,  -- tokens, from here on as settled
  cached      INTEGER NOT NULL DEFAULT 0,
  cache_write INTEGER NOT NULL DEFAULT 0,
  output      INTEGER NOT NULL DEFAULT 0,
  answered    TEXT NOT NULL DEFAULT '',
  tier        TEXT NOT NULL DEFAULT '',
  took        INTEGER NOT NULL DEFAULT 0   -- microseconds
);
CREATE TABLE canaries (                    -- sampled drops; they outlive their alerts
  id     TEXT PRIMARY KEY,
  rule   TEXT NOT NULL,
  at     INTEGER NOT NULL,                 -- when the alert was received
  judged TEXT NOT NULL                     -- see Judgement
) WITHOUT ROWID;
CREATE TABLE cases (
  id     TEXT PRIMARY KEY,
  opened INTEGER NOT NULL,
  body   BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE dropped (                     -- drops whose alerts are past retention
  rule    TEXT NOT NULL,
  ruleset TEXT NOT NULL,
  day     INTEGER NOT NULL,                -- its start
  alerts  INTEGER NOT NULL,
  PRIMARY KEY (rule, ruleset, day)
) WITHOUT ROWID;
CREATE TABLE entities (                    -- which alerts are about a host or an account
  entity   BLOB NOT NULL,                  -- hash, see entityKey
  received INTEGER NOT NULL,
  id       TEXT NOT NULL,                  -- of the alert
  PRIMARY KEY (entity, received, id)
) WITHOUT ROWID;
CREATE TABLE "history" (
  id     TEXT NOT NULL,
  seq    INTEGER NOT NULL,
  record BLOB NOT NULL,
  PRIMARY KEY (id, seq)
);
CREATE TABLE imports (
  id   TEXT PRIMARY KEY,
  at   INTEGER NOT NULL,
  rows INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE misses (                      -- drops, or samples of them, that a person found to be attacks
  id          TEXT PRIMARY KEY,
  rule        TEXT NOT NULL,
  sampled     INTEGER NOT NULL,            -- 1: found by a canary
  at          INTEGER NOT NULL,
  actor       TEXT NOT NULL,
  reverted    INTEGER NOT NULL,            -- when the person took it back, 0: not
  reverted_by TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE "outbox" (
  key        TEXT PRIMARY KEY,
  id         TEXT NOT NULL,
  sink       TEXT NOT NULL,
  kind       TEXT NOT NULL,
  body       BLOB NOT NULL,
  attempts   INTEGER NOT NULL,
  not_before INTEGER NOT NULL,
  done       INTEGER NOT NULL,
  error      TEXT NOT NULL
);
CREATE TABLE precedents (                  -- a person's benign verdicts, found again by search and entities
  search   TEXT NOT NULL,
  entities TEXT NOT NULL,
  id       TEXT NOT NULL,
  at       INTEGER NOT NULL,
  PRIMARY KEY (search, entities, id)
) WITHOUT ROWID;
CREATE TABLE queue (
  id         TEXT PRIMARY KEY,
  priority   INTEGER NOT NULL,
  search     TEXT NOT NULL,
  enqueued   INTEGER NOT NULL,
  not_before INTEGER NOT NULL,
  leased     INTEGER NOT NULL,             -- until when, 0: not leased
  attempts   INTEGER NOT NULL,
  cause      TEXT NOT NULL
, kind TEXT NOT NULL DEFAULT '', visible_by INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE queue_turns (                 -- searches of which alerts wait, or did
  priority INTEGER NOT NULL,
  search   TEXT NOT NULL,
  turn     INTEGER NOT NULL,               -- the lowest is served next
  PRIMARY KEY (priority, search)
) WITHOUT ROWID;
CREATE TABLE rebuilt (                     -- alerts whose rows were read back from Splunk
  id      TEXT PRIMARY KEY,
  host    TEXT NOT NULL,
  sid     TEXT NOT NULL,
  rid     TEXT NOT NULL,
  content TEXT NOT NULL,                   -- MAC of what the row holds
  claimed TEXT NOT NULL                    -- rid and MAC of the row that was delivered late, '' for none
) WITHOUT ROWID;
CREATE TABLE recalled (
  id   TEXT NOT NULL,                      -- of the alert
  n    INTEGER NOT NULL,                   -- of the recall
  cost INTEGER NOT NULL,                   -- what the alert had cost until then
  PRIMARY KEY (id, n)
) WITHOUT ROWID;
CREATE TABLE recalls (                     -- what people asked to have triaged again
  n        INTEGER PRIMARY KEY AUTOINCREMENT,
  target   TEXT NOT NULL,                  -- rule, list:NAME=VALUE or version:sha256:...
  body     BLOB NOT NULL,                  -- the command, JSON
  at       INTEGER NOT NULL,
  after    TEXT NOT NULL,                  -- the last alert that was looked at
  requeued INTEGER NOT NULL,
  severity INTEGER NOT NULL,               -- the highest of these
  gone     INTEGER NOT NULL,               -- drops whose alerts are past retention
  finding  TEXT NOT NULL,                  -- ID of the finding, "" for none
  done     INTEGER NOT NULL                -- when everything was triaged again, 0: not yet
);
CREATE TABLE reconciled (                  -- firings that were missing and have been dealt with
  sid    TEXT PRIMARY KEY,                 -- as splunkd logs it
  reason TEXT NOT NULL,
  at     INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE reviews (
  n           INTEGER PRIMARY KEY AUTOINCREMENT,
  id          TEXT NOT NULL,
  action      TEXT NOT NULL,
  disposition TEXT NOT NULL,
  actor       TEXT NOT NULL,
  reason      TEXT NOT NULL,
  at          INTEGER NOT NULL
);
CREATE TABLE spent (                       -- what is booked by day of UTC; it outlives the calls
  day    INTEGER PRIMARY KEY,              -- its start
  booked INTEGER NOT NULL
);
CREATE TABLE tallies (                     -- what the alerts of the ledger add up to: see rollup.go
  search_name TEXT NOT NULL,
  rule        TEXT NOT NULL,
  proposal    TEXT NOT NULL,
  source      TEXT NOT NULL,
  state       TEXT NOT NULL,
  would       TEXT NOT NULL,
  reason      TEXT NOT NULL,
  alerts      INTEGER NOT NULL,
  cost        INTEGER NOT NULL,
  bytes       INTEGER NOT NULL,
  PRIMARY KEY (search_name, rule, proposal, source, state, would, reason)
) WITHOUT ROWID;
CREATE TABLE tally_days (                  -- the same by day of UTC on which they were received
  day         INTEGER NOT NULL,            -- its start
  search_name TEXT NOT NULL,
  rule        TEXT NOT NULL,
  proposal    TEXT NOT NULL,
  source      TEXT NOT NULL,
  state       TEXT NOT NULL,
  would       TEXT NOT NULL,
  reason      TEXT NOT NULL,
  alerts      INTEGER NOT NULL,
  cost        INTEGER NOT NULL,
  bytes       INTEGER NOT NULL,
  PRIMARY KEY (day, search_name, rule, proposal, source, state, would, reason)
) WITHOUT ROWID;
CREATE TABLE verdicts (
  key     BLOB PRIMARY KEY,
  id      TEXT NOT NULL,
  expires INTEGER NOT NULL,
  gen     BLOB NOT NULL,                   -- generation of policy, models and tables it was made under
  entry   BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX alerts_derived ON alerts (derived) WHERE derived <> '';
CREATE INDEX alerts_full ON alerts (received) WHERE bare = 0 AND source = 'rule' AND state = 'closed';
CREATE INDEX alerts_gave_up ON alerts (reason, id) WHERE reason GLOB 'gave_up:*';
CREATE INDEX alerts_key ON alerts (key) WHERE state IN ('in_review', 'escalated');
CREATE UNIQUE INDEX alerts_natural ON alerts (sid, rid, host, mac);
CREATE INDEX alerts_received ON alerts (received);
CREATE INDEX alerts_rule ON alerts (rule, id) WHERE source = 'rule';
CREATE INDEX alerts_search ON alerts (search_name, state);
CREATE INDEX calls_alert ON calls (alert);
CREATE INDEX calls_open ON calls (n) WHERE state = 'reserved';
CREATE INDEX canaries_rule ON canaries (rule);
CREATE INDEX entities_received ON entities (received);
CREATE INDEX misses_rule ON misses (rule);
CREATE INDEX outbox_due ON outbox (not_before) WHERE done = 0;
CREATE INDEX outbox_id ON outbox (id);
CREATE INDEX queue_order ON queue (priority, search, not_before, enqueued, id);
CREATE INDEX queue_turns_order ON queue_turns (priority, turn, search);
CREATE INDEX queue_visible ON queue (priority, visible_by) WHERE visible_by > 0;
CREATE INDEX rebuilt_sid ON rebuilt (sid);
CREATE INDEX reviews_id ON reviews (id);
CREATE INDEX verdicts_id ON verdicts (id);
INSERT INTO alerts (id, host, sid, rid, mac, search_name, received, severity, key, alert, bytes, bare, notable, seq, record, state, reason, proposal, source, actor, would, rule, cost, derived, joined, advice) VALUES ('01M7SF89VEEV0AZN6235X60000', 'guid-1', 'scheduler__ann__sid', '0', 'mac0', 'Impossible Travel', 1795176000000000, 3, x'0007000000000000000000000000000000000000000000000000000000000000', CAST('{"app": "corp", "owner": "ann", "time": 1795176000000000, "fields": {"src": ["10.8.0.4"], "user": ["ann"]}}' AS BLOB), 107, 0, 0, 1, CAST('{"id":"01M7SF89VEEV0AZN6235X60000","search_name":"Impossible Travel","sid":"scheduler__ann__sid","rid":"0","time":"2026-11-20T12:00:00Z","severity":"medium","proposal":{"kind":"drop","reason":"rule","rule":"vpn-egress-travel","ruleset":"sha256:1"},"verdict":{"disposition":"BenignPositive","stated":100,"confidence":100,"severity":"medium","techniques":[],"source":"rule","evidence":[],"facts":[],"case":{"what":"","why":"","first_response":""},"votes":[],"taint":[]},"outcome":{"state":"closed","reason":"rule","actor":"winnow","run":"enforce","would":"","time":"2026-11-20T12:00:01Z"},"cost":{"microusd":0,"calls":0,"input_tokens":0,"cached_tokens":0,"output_tokens":0,"unpriced":0}}' AS BLOB), 'closed', 'rule', 'drop', 'rule', 'winnow', '', 'vpn-egress-travel', 0, '', '', NULL);
INSERT INTO alerts (id, host, sid, rid, mac, search_name, received, severity, key, alert, bytes, bare, notable, seq, record, state, reason, proposal, source, actor, would, rule, cost, derived, joined, advice) VALUES ('01M7SF89VEEV0AZN6235X60001', 'guid-1', 'scheduler__ann__sid', '1', 'mac1', 'Impossible Travel', 1795176001000000, 3, x'0107000000000000000000000000000000000000000000000000000000000000', CAST('{"app": "corp", "owner": "ann", "time": 1795176000000000, "fields": {"src": ["10.8.0.4"], "user": ["ann"]}}' AS BLOB), 107, 0, 1, 1, CAST('{"id":"01M7SF89VEEV0AZN6235X60001","search_name":"Impossible Travel","sid":"scheduler__ann__sid","rid":"1","time":"2026-11-20T12:00:00Z","severity":"medium","proposal":{"kind":"pass","reason":"no_rule","rule":"","ruleset":""},"verdict":{"disposition":"Undetermined","stated":0,"confidence":0,"severity":"medium","techniques":[],"source":"","evidence":[],"facts":[],"case":{"what":"","why":"","first_response":""},"votes":[],"taint":[]},"outcome":{"state":"queued","reason":"no_rule","actor":"winnow","run":"enforce","would":"","time":"2026-11-20T12:00:01Z"},"cost":{"microusd":10,"calls":0,"input_tokens":0,"cached_tokens":0,"output_tokens":0,"unpriced":0}}' AS BLOB), 'queued', 'no_rule', 'pass', '', 'winnow', '', '', 10, '', '', NULL);
INSERT INTO alerts (id, host, sid, rid, mac, search_name, received, severity, key, alert, bytes, bare, notable, seq, record, state, reason, proposal, source, actor, would, rule, cost, derived, joined, advice) VALUES ('01M7SF89VEEV0AZN6235X60002', 'guid-1', 'scheduler__ann__sid', '2', 'mac2', 'Impossible Travel', 1795176002000000, 3, x'0207000000000000000000000000000000000000000000000000000000000000', CAST('{"app": "corp", "owner": "ann", "time": 1795176000000000, "fields": {"src": ["10.8.0.4"], "user": ["ann"]}}' AS BLOB), 107, 0, 0, 1, CAST('{"id":"01M7SF89VEEV0AZN6235X60002","search_name":"Impossible Travel","sid":"scheduler__ann__sid","rid":"2","time":"2026-11-20T12:00:00Z","severity":"medium","proposal":{"kind":"pass","reason":"undecided","rule":"","ruleset":""},"verdict":{"disposition":"Undetermined","stated":0,"confidence":0,"severity":"medium","techniques":[],"source":"offline","evidence":[],"facts":[],"case":{"what":"","why":"","first_response":""},"votes":[],"taint":[]},"outcome":{"state":"in_review","reason":"undecided","actor":"winnow","run":"enforce","would":"","time":"2026-11-20T12:00:01Z"},"cost":{"microusd":20,"calls":0,"input_tokens":0,"cached_tokens":0,"output_tokens":0,"unpriced":0}}' AS BLOB), 'in_review', 'undecided', 'pass', 'offline', 'winnow', '', '', 20, '', '', NULL);
INSERT INTO alerts (id, host, sid, rid, mac, search_name, received, severity, key, alert, bytes, bare, notable, seq, record, state, reason, proposal, source, actor, would, rule, cost, derived, joined, advice) VALUES ('01M7SF89VEEV0AZN6235X60003', 'guid-1', 'scheduler__ann__sid', '3', 'mac3', 'Impossible Travel', 1795176003000000, 3, x'0307000000000000000000000000000000000000000000000000000000000000', CAST('{"app": "corp", "owner": "ann", "time": 1795176000000000, "fields": {"src": ["10.8.0.4"], "user": ["ann"]}}' AS BLOB), 107, 0, 1, 2, CAST('{"id":"01M7SF89VEEV0AZN6235X60003","search_name":"Impossible Travel","sid":"scheduler__ann__sid","rid":"3","time":"2026-11-20T12:00:00Z","severity":"medium","proposal":{"kind":"pass","reason":"person","rule":"","ruleset":""},"verdict":{"disposition":"BenignPositive","stated":0,"confidence":0,"severity":"medium","techniques":[],"source":"person","evidence":[],"facts":[],"case":{"what":"","why":"","first_response":""},"votes":[],"taint":[]},"outcome":{"state":"closed","reason":"person","actor":"winnow","run":"enforce","would":"","time":"2026-11-20T12:00:01Z"},"cost":{"microusd":30,"calls":0,"input_tokens":0,"cached_tokens":0,"output_tokens":0,"unpriced":0}}' AS BLOB), 'closed', 'person', 'pass', 'person', 'winnow', '', '', 30, '', '', NULL);
INSERT INTO answers (id, seq, deflated, body) VALUES ('01M7SF89VEEV0AZN6235X60002', 1, 0, CAST('{}' AS BLOB));
INSERT INTO call_tallies (model, task, agent, state, replay, attempts, unpriced, input, output, booked) VALUES ('m', 'classify', '', 'released', 0, 1, 0, 100, 7, 1234);
INSERT INTO call_tallies (model, task, agent, state, replay, attempts, unpriced, input, output, booked) VALUES ('m', 'classify', '', 'settled', 0, 1, 0, 100, 7, 1234);
INSERT INTO calls (n, alert, search, team, task, agent, model, source, prompt, attempt, replay, reserve, booked, unpriced, state, reason, at, fields, bytes, sha256, input, cached, cache_write, output, answered, tier, took) VALUES (1, '01M7SF89VEEV0AZN6235X60002', 'Impossible Travel', 'ann', 'classify', '', 'm', 'large', 'sha256:1', 1, 0, 5000, 1234, 0, 'settled', 'ok', 1795176000000000, '["src"]', 10, 'ab', 100, 0, 0, 7, 'm', '', 10);
INSERT INTO calls (n, alert, search, team, task, agent, model, source, prompt, attempt, replay, reserve, booked, unpriced, state, reason, at, fields, bytes, sha256, input, cached, cache_write, output, answered, tier, took) VALUES (2, '01M7SF89VEEV0AZN6235X60002', 'Impossible Travel', 'ann', 'classify', '', 'm', 'large', 'sha256:1', 2, 0, 5000, 1234, 0, 'released', 'ok', 1795176000000000, '["src"]', 10, 'ab', 100, 0, 0, 7, 'm', '', 10);
INSERT INTO canaries (id, rule, at, judged) VALUES ('01M7SF89VEEV0AZN6235X60001', 'vpn-egress-travel', 1795176000000000, '');
INSERT INTO cases (id, opened, body) VALUES ('01M7SF89VEEV0AZN6235X60002', 1795176000000000, CAST('{}' AS BLOB));
INSERT INTO dropped (rule, ruleset, day, alerts) VALUES ('vpn-egress-travel', 'sha256:0', 1795132800000000, 12);
INSERT INTO entities (entity, received, id) VALUES (x'000000000000000000000000', 1795176000000000, '01M7SF89VEEV0AZN6235X60000');
INSERT INTO history (id, seq, record) VALUES ('01M7SF89VEEV0AZN6235X60003', 1, CAST('{"id":"01M7SF89VEEV0AZN6235X60003","search_name":"Impossible Travel","sid":"scheduler__ann__sid","rid":"3","time":"2026-11-20T12:00:00Z","severity":"medium","proposal":{"kind":"pass","reason":"undecided","rule":"","ruleset":""},"verdict":{"disposition":"Undetermined","stated":0,"confidence":0,"severity":"medium","techniques":[],"source":"offline","evidence":[],"facts":[],"case":{"what":"","why":"","first_response":""},"votes":[],"taint":[]},"outcome":{"state":"in_review","reason":"undecided","actor":"winnow","run":"enforce","would":"","time":"2026-11-20T12:00:01Z"},"cost":{"microusd":30,"calls":0,"input_tokens":0,"cached_tokens":0,"output_tokens":0,"unpriced":0}}' AS BLOB));
INSERT INTO imports (id, at, rows) VALUES ('01ARZ3NDEKTSV4RRFFQ69G5F01', 1795176000000000, 4);
INSERT INTO meta (name, value) VALUES ('a', 'b');
INSERT INTO misses (id, rule, sampled, at, actor, reverted, reverted_by) VALUES ('01M7SF89VEEV0AZN6235X60008', 'other', 0, 1795176000000000, 'ann', 0, '');
INSERT INTO outbox (key, id, sink, kind, body, attempts, not_before, done, error) VALUES ('01M7SF89VEEV0AZN6235X60000/1/events', '01M7SF89VEEV0AZN6235X60000', 'events', 'event', CAST('{"Key": "01M7SF89VEEV0AZN6235X60000/1/events", "Sink": "events", "Kind": "event"}' AS BLOB), 0, 1795176000000000, 0, '');
INSERT INTO precedents (search, entities, id, at) VALUES ('Impossible Travel', 'src=10.8.0.4', '01M7SF89VEEV0AZN6235X60003', 1795176000000000);
INSERT INTO queue (id, priority, search, enqueued, not_before, leased, attempts, cause, kind, visible_by) VALUES ('01M7SF89VEEV0AZN6235X60001', 3, 'Impossible Travel', 1795176000000000, 0, 0, 1, 'no answer', '', 1795176000000000);
INSERT INTO queue_turns (priority, search, turn) VALUES (3, 'Impossible Travel', 0);
INSERT INTO recalled (id, n, cost) VALUES ('01M7SF89VEEV0AZN6235X60000', 1, 0);
INSERT INTO recalls (n, target, body, at, after, requeued, severity, gone, finding, done) VALUES (1, 'vpn-egress-travel', CAST('{}' AS BLOB), 1795176000000000, '01M7SF89VEEV0AZN6235X60000', 1, 3, 12, '', 1795176000000000);
INSERT INTO reviews (n, id, action, disposition, actor, reason, at) VALUES (1, '01M7SF89VEEV0AZN6235X60003', 'approve', 'BenignPositive', 'ann', 'the VPN', 1795176000000000);
INSERT INTO spent (day, booked) VALUES (1795132800000000, 1234);
INSERT INTO tallies (search_name, rule, proposal, source, state, would, reason, alerts, cost, bytes) VALUES ('Impossible Travel', '', 'pass', '', 'queued', '', 'no_rule', 1, 10, 107);
INSERT INTO tallies (search_name, rule, proposal, source, state, would, reason, alerts, cost, bytes) VALUES ('Impossible Travel', '', 'pass', 'offline', 'in_review', '', 'undecided', 1, 20, 107);
INSERT INTO tallies (search_name, rule, proposal, source, state, would, reason, alerts, cost, bytes) VALUES ('Impossible Travel', '', 'pass', 'person', 'closed', '', 'person', 1, 30, 107);
INSERT INTO tallies (search_name, rule, proposal, source, state, would, reason, alerts, cost, bytes) VALUES ('Impossible Travel', 'vpn-egress-travel', 'drop', 'rule', 'closed', '', 'rule', 1, 0, 107);
INSERT INTO tally_days (day, search_name, rule, proposal, source, state, would, reason, alerts, cost, bytes) VALUES (1795132800000000, 'Impossible Travel', '', 'pass', '', 'queued', '', 'no_rule', 1, 10, 107);
INSERT INTO tally_days (day, search_name, rule, proposal, source, state, would, reason, alerts, cost, bytes) VALUES (1795132800000000, 'Impossible Travel', '', 'pass', 'offline', 'in_review', '', 'undecided', 1, 20, 107);
INSERT INTO tally_days (day, search_name, rule, proposal, source, state, would, reason, alerts, cost, bytes) VALUES (1795132800000000, 'Impossible Travel', '', 'pass', 'person', 'closed', '', 'person', 1, 30, 107);
INSERT INTO tally_days (day, search_name, rule, proposal, source, state, would, reason, alerts, cost, bytes) VALUES (1795132800000000, 'Impossible Travel', 'vpn-egress-travel', 'drop', 'rule', 'closed', '', 'rule', 1, 0, 107);
INSERT INTO verdicts (key, id, expires, gen, entry) VALUES (x'0303030303030303030303030303030303030303030303030303030303030303', '01M7SF89VEEV0AZN6235X60003', 1795262400000000, x'0000000000000000000000000000000000000000000000000000000000000000', CAST('{"AlertID": "01M7SF89VEEV0AZN6235X60003", "SearchName": "Impossible Travel", "Severity": "medium", "Disposition": "BenignPositive", "Source": "person", "Confidence": 100, "Facts": null, "At": "2026-11-20T12:00:00Z", "Expires": "2026-11-21T12:00:00Z"}' AS BLOB));
INSERT INTO verdicts (key, id, expires, gen, entry) VALUES (x'0404040404040404040404040404040404040404040404040404040404040404', '01M7SF89VEEV0AZN6235X60009', 1795262400000000, x'0101010101010101010101010101010101010101010101010101010101010101', CAST('{"AlertID": "01M7SF89VEEV0AZN6235X60009", "SearchName": "Impossible Travel", "Severity": "low", "Disposition": "BenignPositive", "Source": "model", "Confidence": 95, "Facts": ["list:vpn_egress"], "At": "2026-11-20T12:00:00Z", "Expires": "2026-11-21T12:00:00Z"}' AS BLOB));
PRAGMA user_version = 9;
