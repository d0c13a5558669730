-- A ledger as the program made it at a3b07b2, version 1, with a few rows.
CREATE TABLE alerts (
  id          TEXT PRIMARY KEY,
  host        TEXT NOT NULL,
  sid         TEXT NOT NULL,
  rid         TEXT NOT NULL,
  mac         TEXT NOT NULL,
  search_name TEXT NOT NULL,
  received    INTEGER NOT NULL,            -- microseconds since 1970, as all times here
  severity    INTEGER NOT NULL,
  key         BLOB NOT NULL,               -- cache key
  alert       BLOB NOT NULL,               -- JSON, see storedAlert
  notable     INTEGER NOT NULL,            -- 1: the action has written a notable for it
  seq         INTEGER NOT NULL,            -- number of the current record
  record      BLOB NOT NULL,               -- JSON, the current record
  state       TEXT NOT NULL,
  reason      TEXT NOT NULL,
  proposal    TEXT NOT NULL,
  source      TEXT NOT NULL,
  actor       TEXT NOT NULL,
  would       TEXT NOT NULL,
  rule        TEXT NOT NULL,
  cost        INTEGER NOT NULL,            -- micro-dollars
  derived     TEXT NOT NULL,               -- ID of the alert whose cached verdict closed this one
  joined      TEXT NOT NULL,               -- ID of the alert whose open case this one repeats
  advice      BLOB                         -- JSON list of recommended actions
) WITHOUT ROWID;
CREATE UNIQUE INDEX alerts_natural ON alerts (sid, rid, host, mac);
CREATE INDEX alerts_key ON alerts (key) WHERE state IN ('in_review', 'escalated');
CREATE INDEX alerts_derived ON alerts (derived) WHERE derived <> '';
CREATE TABLE history (
  id     TEXT NOT NULL,
  seq    INTEGER NOT NULL,
  record BLOB NOT NULL,
  PRIMARY KEY (id, seq)
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
) WITHOUT ROWID;
CREATE INDEX queue_order ON queue (priority DESC, enqueued, id);
CREATE TABLE verdicts (
  key     BLOB PRIMARY KEY,
  id      TEXT NOT NULL,
  expires INTEGER NOT NULL,
  entry   BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX verdicts_id ON verdicts (id);
CREATE TABLE precedents (                  -- a person's benign verdicts, found again by search and entities
  search   TEXT NOT NULL,
  entities TEXT NOT NULL,
  id       TEXT NOT NULL,
  at       INTEGER NOT NULL,
  PRIMARY KEY (search, entities, id)
) WITHOUT ROWID;
CREATE TABLE cases (
  id     TEXT PRIMARY KEY,
  opened INTEGER NOT NULL,
  body   BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE outbox (
  key        TEXT PRIMARY KEY,
  id         TEXT NOT NULL,
  sink       TEXT NOT NULL,
  kind       TEXT NOT NULL,
  body       BLOB NOT NULL,
  attempts   INTEGER NOT NULL,
  not_before INTEGER NOT NULL,
  done       INTEGER NOT NULL,             -- when the sink took it, 0: not yet
  error      TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX outbox_due ON outbox (not_before) WHERE done = 0;
CREATE INDEX outbox_id ON outbox (id);
CREATE TABLE reviews (
  n           INTEGER PRIMARY KEY AUTOINCREMENT,
  id          TEXT NOT NULL,
  action      TEXT NOT NULL,
  disposition TEXT NOT NULL,
  actor       TEXT NOT NULL,
  reason      TEXT NOT NULL,
  at          INTEGER NOT NULL
);
CREATE INDEX reviews_id ON reviews (id);
CREATE TABLE imports (
  id   TEXT PRIMARY KEY,
  at   INTEGER NOT NULL,
  rows INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO alerts (id, host, sid, rid, mac, search_name, received, severity, key, alert, notable, seq, record, state, reason, proposal, source, actor, would, rule, cost, derived, joined, advice) VALUES ('01M7SF89VEEV0AZN6235X60000', 'guid-1', 'scheduler__ann__sid', '0', 'mac0', 'Impossible Travel', 1795176000000000, 3, x'0007000000000000000000000000000000000000000000000000000000000000', CAST('{"app": "corp", "owner": "ann", "time": 1795176000000000, "fields": {"src": ["10.8.0.4"], "user": ["ann"]}}' AS BLOB), 0, 1, CAST('{"id":"01M7SF89VEEV0AZN6235X60000","search_name":"Impossible Travel","sid":"scheduler__ann__sid","rid":"0","time":"2026-11-20T12:00:00Z","severity":"medium","proposal":{"kind":"drop","reason":"rule","rule":"vpn-egress-travel","ruleset":"sha256:1"},"verdict":{"disposition":"BenignPositive","stated":100,"confidence":100,"severity":"medium","techniques":[],"source":"rule","evidence":[],"facts":[],"case":{"what":"","why":"","first_response":""},"votes":[],"taint":[]},"outcome":{"state":"closed","reason":"rule","actor":"winnow","run":"enforce","would":"","time":"2026-11-20T12:00:01Z"},"cost":{"microusd":0,"calls":0,"input_tokens":0,"cached_tokens":0,"output_tokens":0,"unpriced":0}}' AS BLOB), 'closed', 'rule', 'drop', 'rule', 'winnow', '', 'vpn-egress-travel', 0, '', '', NULL);
INSERT INTO alerts (id, host, sid, rid, mac, search_name, received, severity, key, alert, notable, seq, record, state, reason, proposal, source, actor, would, rule, cost, derived, joined, advice) VALUES ('01M7SF89VEEV0AZN6235X60001', 'guid-1', 'scheduler__ann__sid', '1', 'mac1', 'Impossible Travel', 1795176001000000, 3, x'0107000000000000000000000000000000000000000000000000000000000000', CAST('{"app": "corp", "owner": "ann", "time": 1795176000000000, "fields": {"src": ["10.8.0.4"], "user": ["ann"]}}' AS BLOB), 1, 1, CAST('{"id":"01M7SF89VEEV0AZN6235X60001","search_name":"Impossible Travel","sid":"scheduler__ann__sid","rid":"1","time":"2026-11-20T12:00:00Z","severity":"medium","proposal":{"kind":"pass","reason":"no_rule","rule":"","ruleset":""},"verdict":{"disposition":"Undetermined","stated":0,"confidence":0,"severity":"medium","techniques":[],"source":"","evidence":[],"facts":[],"case":{"what":"","why":"","first_response":""},"votes":[],"taint":[]},"outcome":{"state":"queued","reason":"no_rule","actor":"winnow","run":"enforce","would":"","time":"2026-11-20T12:00:01Z"},"cost":{"microusd":10,"calls":0,"input_tokens":0,"cached_tokens":0,"output_tokens":0,"unpriced":0}}' AS BLOB), 'queued', 'no_rule', 'pass', '', 'winnow', '', '', 10, '', '', NULL);
INSERT INTO alerts (id, host, sid, rid, mac, search_name, received, severity, key, alert, notable, seq, record, state, reason, proposal, source, actor, would, rule, cost, derived, joined, advice) VALUES ('01M7SF89VEEV0AZN6235X60002', 'guid-1', 'scheduler__ann__sid', '2', 'mac2', 'Impossible Travel', 1795176002000000, 3, x'0207000000000000000000000000000000000000000000000000000000000000', CAST('{"app": "corp", "owner": "ann", "time": 1795176000000000, "fields": {"src": ["10.8.0.4"], "user": ["ann"]}}' AS BLOB), 0, 1, CAST('{"id":"01M7SF89VEEV0AZN6235X60002","search_name":"Impossible Travel","sid":"scheduler__ann__sid","rid":"2","time":"2026-11-20T12:00:00Z","severity":"medium","proposal":{"kind":"pass","reason":"undecided","rule":"","ruleset":""},"verdict":{"disposition":"Undetermined","stated":0,"confidence":0,"severity":"medium","techniques":[],"source":"offline","evidence":[],"facts":[],"case":{"what":"","why":"","first_response":""},"votes":[],"taint":[]},"outcome":{"state":"in_review","reason":"undecided","actor":"winnow","run":"enforce","would":"","time":"2026-11-20T12:00:01Z"},"cost":{"microusd":20,"calls":0,"input_tokens":0,"cached_tokens":0,"output_tokens":0,"unpriced":0}}' AS BLOB), 'in_review', 'undecided', 'pass', 'offline', 'winnow', '', '', 20, '', '', NULL);
INSERT INTO alerts (id, host, sid, rid, mac, search_name, received, severity, key, alert, notable, seq, record, state, reason, proposal, source, actor, would, rule, cost, derived, joined, advice) VALUES ('01M7SF89VEEV0AZN6235X60003', 'guid-1', 'scheduler__ann__sid', '3', 'mac3', 'Impossible Travel', 1795176003000000, 3, x'0307000000000000000000000000000000000000000000000000000000000000', CAST('{"app": "corp", "owner": "ann", "time": 1795176000000000, "fields": {"src": ["10.8.0.4"], "user": ["ann"]}}' AS BLOB), 1, 2, CAST('{"id":"01M7SF89VEEV0AZN6235X60003","search_name":"Impossible Travel","sid":"scheduler__ann__sid","rid":"3","time":"2026-11-20T12:00:00Z","severity":"medium","proposal":{"kind":"pass","reason":"person","rule":"","ruleset":""},"verdict":{"disposition":"BenignPositive","stated":0,"confidence":0,"severity":"medium","techniques":[],"source":"person","evidence":[],"facts":[],"case":{"what":"","why":"","first_response":""},"votes":[],"taint":[]},"outcome":{"state":"closed","reason":"person","actor":"winnow","run":"enforce","would":"","time":"2026-11-20T12:00:01Z"},"cost":{"microusd":30,"calls":0,"input_tokens":0,"cached_tokens":0,"output_tokens":0,"unpriced":0}}' AS BLOB), 'closed', 'person', 'pass', 'person', 'winnow', '', '', 30, '', '', NULL);
INSERT INTO history (id, seq, record) VALUES ('01M7SF89VEEV0AZN6235X60003', 1, CAST('{"id":"01M7SF89VEEV0AZN6235X60003","search_name":"Impossible Travel","sid":"scheduler__ann__sid","rid":"3","time":"2026-11-20T12:00:00Z","severity":"medium","proposal":{"kind":"pass","reason":"undecided","rule":"","ruleset":""},"verdict":{"disposition":"Undetermined","stated":0,"confidence":0,"severity":"medium","techniques":[],"source":"offline","evidence":[],"facts":[],"case":{"what":"","why":"","first_response":""},"votes":[],"taint":[]},"outcome":{"state":"in_review","reason":"undecided","actor":"winnow","run":"enforce","would":"","time":"2026-11-20T12:00:01Z"},"cost":{"microusd":30,"calls":0,"input_tokens":0,"cached_tokens":0,"output_tokens":0,"unpriced":0}}' AS BLOB));
INSERT INTO queue (id, priority, search, enqueued, not_before, leased, attempts, cause) VALUES ('01M7SF89VEEV0AZN6235X60001', 3, 'Impossible Travel', 1795176000000000, 0, 0, 1, 'no answer');
INSERT INTO verdicts (key, id, expires, entry) VALUES (x'0303030303030303030303030303030303030303030303030303030303030303', '01M7SF89VEEV0AZN6235X60003', 1795262400000000, CAST('{"AlertID": "01M7SF89VEEV0AZN6235X60003", "SearchName": "Impossible Travel", "Severity": "medium", "Disposition": "BenignPositive", "Source": "person", "Confidence": 100, "Facts": null, "At": "2026-11-20T12:00:00Z", "Expires": "2026-11-21T12:00:00Z"}' AS BLOB));
INSERT INTO verdicts (key, id, expires, entry) VALUES (x'0404040404040404040404040404040404040404040404040404040404040404', '01M7SF89VEEV0AZN6235X60009', 1795262400000000, CAST('{"AlertID": "01M7SF89VEEV0AZN6235X60009", "SearchName": "Impossible Travel", "Severity": "low", "Disposition": "BenignPositive", "Source": "model", "Confidence": 95, "Facts": ["list:vpn_egress"], "At": "2026-11-20T12:00:00Z", "Expires": "2026-11-21T12:00:00Z"}' AS BLOB));
INSERT INTO precedents (search, entities, id, at) VALUES ('Impossible Travel', 'src=10.8.0.4', '01M7SF89VEEV0AZN6235X60003', 1795176000000000);
INSERT INTO cases (id, opened, body) VALUES ('01M7SF89VEEV0AZN6235X60002', 1795176000000000, CAST('{}' AS BLOB));
INSERT INTO outbox (key, id, sink, kind, body, attempts, not_before, done, error) VALUES ('01M7SF89VEEV0AZN6235X60000/1/events', '01M7SF89VEEV0AZN6235X60000', 'events', 'event', CAST('{"Key": "01M7SF89VEEV0AZN6235X60000/1/events", "Sink": "events", "Kind": "event"}' AS BLOB), 0, 1795176000000000, 0, '');
INSERT INTO reviews (n, id, action, disposition, actor, reason, at) VALUES (1, '01M7SF89VEEV0AZN6235X60003', 'approve', 'BenignPositive', 'ann', 'the VPN', 1795176000000000);
INSERT INTO imports (id, at, rows) VALUES ('01ARZ3NDEKTSV4RRFFQ69G5F01', 1795176000000000, 4);
INSERT INTO meta (name, value) VALUES ('a', 'b');
PRAGMA user_version = 1;
