package ledger

import (
	"context"
	"fmt"
)

// migrations make the schema, one step a version. A step that was ever released is not edited;
// changes are new steps.
var migrations = []string{
	`
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
CREATE INDEX alerts_search ON alerts (search_name, state);
CREATE UNIQUE INDEX alerts_natural ON alerts (sid, rid, host, mac);
CREATE INDEX alerts_key ON alerts (key) WHERE state IN ('in_review', 'escalated');
CREATE INDEX alerts_derived ON alerts (derived) WHERE derived <> '';
CREATE INDEX alerts_received ON alerts (received);

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
  gen     BLOB NOT NULL,                   -- generation of policy, models and tables it was made under
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
`,
	`
CREATE INDEX alerts_rule ON alerts (rule, id) WHERE source = 'rule';

CREATE TABLE canaries (                    -- sampled drops; they outlive their alerts
  id     TEXT PRIMARY KEY,
  rule   TEXT NOT NULL,
  at     INTEGER NOT NULL,                 -- when the alert was received
  judged TEXT NOT NULL                     -- see Judgement
) WITHOUT ROWID;
CREATE INDEX canaries_rule ON canaries (rule);

CREATE TABLE misses (                      -- drops, or samples of them, that a person found to be attacks
  id          TEXT PRIMARY KEY,
  rule        TEXT NOT NULL,
  sampled     INTEGER NOT NULL,            -- 1: found by a canary
  at          INTEGER NOT NULL,
  actor       TEXT NOT NULL,
  reverted    INTEGER NOT NULL,            -- when the person took it back, 0: not
  reverted_by TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX misses_rule ON misses (rule);

CREATE TABLE dropped (                     -- drops whose alerts are past retention
  rule    TEXT NOT NULL,
  ruleset TEXT NOT NULL,
  day     INTEGER NOT NULL,                -- its start
  alerts  INTEGER NOT NULL,
  PRIMARY KEY (rule, ruleset, day)
) WITHOUT ROWID;
`,
	`
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

CREATE TABLE recalled (
  id   TEXT NOT NULL,                      -- of the alert
  n    INTEGER NOT NULL,                   -- of the recall
  cost INTEGER NOT NULL,                   -- what the alert had cost until then
  PRIMARY KEY (id, n)
) WITHOUT ROWID;
`,
	`
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
CREATE INDEX calls_alert ON calls (alert);
CREATE INDEX calls_open ON calls (n) WHERE state = 'reserved';

CREATE TABLE spent (                       -- what is booked by day of UTC; it outlives the calls
  day    INTEGER PRIMARY KEY,              -- its start
  booked INTEGER NOT NULL
);
`,
	`
CREATE TABLE entities (                    -- which alerts are about a host or an account
  entity   BLOB NOT NULL,                  -- hash, see entityKey
  received INTEGER NOT NULL,
  id       TEXT NOT NULL,                  -- of the alert
  PRIMARY KEY (entity, received, id)
) WITHOUT ROWID;
CREATE INDEX entities_received ON entities (received);
`,
	`
CREATE TABLE answers (                     -- what models said, to decide again
  id       TEXT NOT NULL,
  seq      INTEGER NOT NULL,               -- of the record that was decided on them
  deflated INTEGER NOT NULL,
  body     BLOB NOT NULL,
  PRIMARY KEY (id, seq)
) WITHOUT ROWID;
`,
	`
-- A row of a table WITHOUT ROWID that is longer than a quarter of a page takes pages of its own: these
-- tables have long rows.
CREATE TABLE alerts_new (
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
INSERT INTO alerts_new SELECT id, host, sid, rid, mac, search_name, received, severity, key, alert, length(alert), 0, notable,
 seq, record, state, reason, proposal, source, actor, would, rule, cost, derived, joined, advice FROM alerts ORDER BY id;
DROP TABLE alerts;
ALTER TABLE alerts_new RENAME TO alerts;
CREATE INDEX alerts_search ON alerts (search_name, state);
CREATE UNIQUE INDEX alerts_natural ON alerts (sid, rid, host, mac);
CREATE INDEX alerts_key ON alerts (key) WHERE state IN ('in_review', 'escalated');
CREATE INDEX alerts_derived ON alerts (derived) WHERE derived <> '';
CREATE INDEX alerts_received ON alerts (received);
CREATE INDEX alerts_rule ON alerts (rule, id) WHERE source = 'rule';
CREATE INDEX alerts_full ON alerts (received) WHERE bare = 0 AND source = 'rule' AND state = 'closed';

CREATE TABLE history_new (
  id     TEXT NOT NULL,
  seq    INTEGER NOT NULL,
  record BLOB NOT NULL,
  PRIMARY KEY (id, seq)
);
INSERT INTO history_new SELECT id, seq, record FROM history ORDER BY id, seq;
DROP TABLE history;
ALTER TABLE history_new RENAME TO history;

CREATE TABLE outbox_new (
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
INSERT INTO outbox_new SELECT key, id, sink, kind, body, attempts, not_before, done, error FROM outbox ORDER BY key;
DROP TABLE outbox;
ALTER TABLE outbox_new RENAME TO outbox;
CREATE INDEX outbox_due ON outbox (not_before) WHERE done = 0;
CREATE INDEX outbox_id ON outbox (id);

CREATE TABLE answers_new (
  id       TEXT NOT NULL,
  seq      INTEGER NOT NULL,
  deflated INTEGER NOT NULL,
  body     BLOB NOT NULL,
  PRIMARY KEY (id, seq)
);
INSERT INTO answers_new SELECT id, seq, deflated, body FROM answers ORDER BY id, seq;
DROP TABLE answers;
ALTER TABLE answers_new RENAME TO answers;

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
INSERT INTO tallies SELECT search_name, rule, proposal, source, state, would, reason, count(*), sum(cost), sum(bytes)
 FROM alerts GROUP BY search_name, rule, proposal, source, state, would, reason;

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
INSERT INTO tally_days SELECT received - received % 86400000000 AS day, search_name, rule, proposal, source, state, would, reason,
 count(*), sum(cost), sum(bytes) FROM alerts GROUP BY day, search_name, rule, proposal, source, state, would, reason;

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
INSERT INTO call_tallies SELECT model, task, agent, state, replay, count(*), sum(unpriced), sum(input), sum(output),
 CAST(min(total(booked), 9e18) AS INTEGER) FROM calls GROUP BY model, task, agent, state, replay;
`,
	`
-- A queue in which searches take turns. not_before is the end of a lease too, 0 says that the alert is
-- ready; cause tells people what failed, and kind is one word for it.
ALTER TABLE queue ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE queue ADD COLUMN visible_by INTEGER NOT NULL DEFAULT 0; -- when people must see the alert, 0: they do
UPDATE queue SET not_before = max(leased, not_before), visible_by = max(enqueued, 1);
DROP INDEX queue_order;
CREATE INDEX queue_order ON queue (priority, search, not_before, enqueued, id);
CREATE INDEX queue_visible ON queue (priority, visible_by) WHERE visible_by > 0;

CREATE TABLE queue_turns (                 -- searches of which alerts wait, or did
  priority INTEGER NOT NULL,
  search   TEXT NOT NULL,
  turn     INTEGER NOT NULL,               -- the lowest is served next
  PRIMARY KEY (priority, search)
) WITHOUT ROWID;
CREATE INDEX queue_turns_order ON queue_turns (priority, turn, search);
INSERT INTO queue_turns (priority, search, turn) SELECT DISTINCT priority, search, 0 FROM queue;

CREATE INDEX alerts_gave_up ON alerts (reason, id) WHERE reason GLOB 'gave_up:*';
`,
	`
ALTER TABLE alerts ADD COLUMN disposition TEXT NOT NULL DEFAULT ''; -- of the verdict: analysts ask for it of many
UPDATE alerts SET disposition = CASE WHEN json_valid(CAST(record AS TEXT))
 THEN coalesce(json_extract(CAST(record AS TEXT), '$.verdict.disposition'), '') ELSE '' END;
`,
	`
CREATE TABLE audit (                       -- the chain, see package audit
  seq     INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  kind    TEXT NOT NULL,
  subject TEXT NOT NULL,                   -- ID of the alert, "" where it is not about one
  body    BLOB NOT NULL,
  hash    BLOB NOT NULL
);
CREATE INDEX audit_subject ON audit (subject) WHERE subject <> '';
CREATE INDEX audit_kind ON audit (kind) WHERE subject = '';

CREATE TABLE audit_head (                  -- the last entry, kept apart from it
  one  INTEGER PRIMARY KEY CHECK (one = 1),
  seq  INTEGER NOT NULL,
  at   INTEGER NOT NULL,
  hash BLOB NOT NULL
);

CREATE TABLE checkpoints (                 -- signed heads
  seq       INTEGER PRIMARY KEY,
  at        INTEGER NOT NULL,
  head      BLOB NOT NULL,
  key       BLOB NOT NULL,
  signature BLOB NOT NULL
);

CREATE TABLE audit_gaps (                  -- alerts whose last record could not be audited
  id TEXT PRIMARY KEY
) WITHOUT ROWID;

CREATE TABLE archive (                     -- what decisions rest on, by its SHA-256
  hash     BLOB PRIMARY KEY,
  deflated INTEGER NOT NULL,
  body     BLOB NOT NULL
) WITHOUT ROWID;
`,
	`
CREATE TABLE rebuilt (                     -- alerts whose rows were read back from Splunk
  id      TEXT PRIMARY KEY,
  host    TEXT NOT NULL,
  sid     TEXT NOT NULL,
  rid     TEXT NOT NULL,
  content TEXT NOT NULL,                   -- MAC of what the row holds
  claimed TEXT NOT NULL                    -- rid and MAC of the row that was delivered late, '' for none
) WITHOUT ROWID;
CREATE INDEX rebuilt_sid ON rebuilt (sid);

CREATE TABLE reconciled (                  -- firings that were missing and have been dealt with
  sid    TEXT PRIMARY KEY,                 -- as splunkd logs it
  reason TEXT NOT NULL,
  at     INTEGER NOT NULL
) WITHOUT ROWID;
`,
	`
CREATE TABLE bared (                       -- drops that are kept without their fields
  rule    TEXT NOT NULL,
  ruleset TEXT NOT NULL,
  day     INTEGER NOT NULL,                -- its start
  alerts  INTEGER NOT NULL,
  PRIMARY KEY (rule, ruleset, day)
) WITHOUT ROWID;
`,
	`
ALTER TABLE reviews ADD COLUMN weak INTEGER NOT NULL DEFAULT 0; -- 1: one of many at once, nothing rests on it
`,
	`
-- From here on alerts.bare says when the fields went, which is the time of an entry of the chain.
CREATE INDEX alerts_bare ON alerts (bare, id) WHERE bare > 1;
CREATE INDEX audit_fields ON audit (at) WHERE kind = 'fields' AND subject = '';
`,
	`
CREATE TABLE panel_tallies (               -- ways in which agents voted: see panels.go
  n           INTEGER PRIMARY KEY,
  search_name TEXT NOT NULL,
  label       TEXT NOT NULL,
  votes       TEXT NOT NULL,               -- JSON
  panels      INTEGER NOT NULL,            -- alerts
  UNIQUE (search_name, label, votes)
);

CREATE TABLE panels (                      -- alerts that were put to the vote
  id TEXT PRIMARY KEY,
  n  INTEGER NOT NULL                      -- of panel_tallies
) WITHOUT ROWID;

CREATE INDEX tally_days_rule ON tally_days (rule, day) WHERE rule <> '' AND proposal <> 'escalate';
`,
	`
-- Teams pay. Alerts and calls are counted with everything that a bill is split by.
ALTER TABLE alerts ADD COLUMN team TEXT NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN severity INTEGER NOT NULL DEFAULT 0;
UPDATE calls SET severity = coalesce((SELECT severity FROM alerts WHERE id = calls.alert), 0);

CREATE TABLE alert_sums (                  -- what the alerts of the ledger add up to: see rollup.go
  grain       INTEGER NOT NULL,            -- 0 in all, 1 a month, 2 a day of UTC, of when they were received; 3: see below
  start       INTEGER NOT NULL,            -- of the month or day
  search_name TEXT NOT NULL,
  team        TEXT NOT NULL,
  severity    INTEGER NOT NULL,
  rule        TEXT NOT NULL,
  proposal    TEXT NOT NULL,
  source      TEXT NOT NULL,
  state       TEXT NOT NULL,
  would       TEXT NOT NULL,
  reason      TEXT NOT NULL,
  disposition TEXT NOT NULL,
  alerts      INTEGER NOT NULL,
  cost        INTEGER NOT NULL,
  bytes       INTEGER NOT NULL,
  PRIMARY KEY (grain, start, search_name, team, severity, rule, proposal, source, state, would, reason, disposition)
) WITHOUT ROWID;
INSERT INTO alert_sums SELECT 2, received - received % 86400000000 AS day, search_name, team, severity, rule, proposal, source, state, would,
 reason, disposition, count(*), sum(cost), sum(bytes) FROM alerts
 GROUP BY day, search_name, team, severity, rule, proposal, source, state, would, reason, disposition;
INSERT INTO alert_sums SELECT 1, unixepoch(start / 1000000, 'unixepoch', 'start of month') * 1000000 AS month, search_name, team, severity, rule,
 proposal, source, state, would, reason, disposition, sum(alerts), sum(cost), sum(bytes) FROM alert_sums WHERE grain = 2
 GROUP BY month, search_name, team, severity, rule, proposal, source, state, would, reason, disposition;
INSERT INTO alert_sums SELECT 0, 0, search_name, team, severity, rule, proposal, source, state, would, reason, disposition,
 sum(alerts), sum(cost), sum(bytes) FROM alert_sums WHERE grain = 1
 GROUP BY search_name, team, severity, rule, proposal, source, state, would, reason, disposition;
CREATE INDEX alert_sums_rule ON alert_sums (rule, start) WHERE grain = 2 AND rule <> '' AND proposal <> 'escalate';

CREATE TABLE call_sums (                   -- what the calls of the ledger add up to, by when they were booked
  grain       INTEGER NOT NULL,            -- as of alert_sums
  start       INTEGER NOT NULL,
  search      TEXT NOT NULL,
  team        TEXT NOT NULL,
  severity    INTEGER NOT NULL,
  model       TEXT NOT NULL,
  task        TEXT NOT NULL,
  agent       TEXT NOT NULL,
  state       TEXT NOT NULL,
  replay      INTEGER NOT NULL,
  tier        TEXT NOT NULL,
  attempts    INTEGER NOT NULL,
  unpriced    INTEGER NOT NULL,
  input       INTEGER NOT NULL,
  cached      INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  output      INTEGER NOT NULL,
  booked      INTEGER NOT NULL,
  PRIMARY KEY (grain, start, search, team, severity, model, task, agent, state, replay, tier)
) WITHOUT ROWID;
INSERT INTO call_sums SELECT 2, at - at % 86400000000 AS day, search, team, severity, model, task, agent, state, replay, tier,
 count(*), sum(unpriced), sum(input), sum(cached), sum(cache_write), sum(output), CAST(min(total(booked), 9e18) AS INTEGER) FROM calls
 GROUP BY day, search, team, severity, model, task, agent, state, replay, tier;
INSERT INTO call_sums SELECT 1, unixepoch(start / 1000000, 'unixepoch', 'start of month') * 1000000 AS month, search, team, severity, model, task,
 agent, state, replay, tier, sum(attempts), sum(unpriced), sum(input), sum(cached), sum(cache_write), sum(output),
 CAST(min(total(booked), 9e18) AS INTEGER) FROM call_sums WHERE grain = 2
 GROUP BY month, search, team, severity, model, task, agent, state, replay, tier;
INSERT INTO call_sums SELECT 0, 0, search, team, severity, model, task, agent, state, replay, tier, sum(attempts), sum(unpriced), sum(input),
 sum(cached), sum(cache_write), sum(output), CAST(min(total(booked), 9e18) AS INTEGER) FROM call_sums WHERE grain = 1
 GROUP BY search, team, severity, model, task, agent, state, replay, tier;

DROP TABLE tallies;
DROP TABLE tally_days;
DROP TABLE call_tallies;
`,
	`
-- What is booked has limits of its own for searches, teams and models, and high and critical alerts have money kept for them.
ALTER TABLE spent ADD COLUMN high INTEGER NOT NULL DEFAULT 0;     -- of it, for alerts of severity high and unknown
ALTER TABLE spent ADD COLUMN critical INTEGER NOT NULL DEFAULT 0;
UPDATE spent SET high = min(booked, c.high), critical = min(booked, c.critical) FROM (SELECT at - at % 86400000000 AS day,
 CAST(min(total(CASE WHEN severity IN (0, 4) THEN booked ELSE 0 END), 9e18) AS INTEGER) AS high,
 CAST(min(total(CASE WHEN severity = 5 THEN booked ELSE 0 END), 9e18) AS INTEGER) AS critical FROM calls WHERE state <> 'released' GROUP BY 1) c WHERE c.day = spent.day;

CREATE TABLE spent_by (                    -- the same by search, team and model
  scope    TEXT NOT NULL,                  -- see ScopeKind
  name     TEXT NOT NULL,
  day      INTEGER NOT NULL,
  booked   INTEGER NOT NULL,
  high     INTEGER NOT NULL,
  critical INTEGER NOT NULL,
  PRIMARY KEY (scope, name, day)
) WITHOUT ROWID;
INSERT INTO spent_by SELECT scope, name, day, CAST(min(total(booked), 9e18) AS INTEGER),
 CAST(min(total(CASE WHEN severity IN (0, 4) THEN booked ELSE 0 END), 9e18) AS INTEGER),
 CAST(min(total(CASE WHEN severity = 5 THEN booked ELSE 0 END), 9e18) AS INTEGER) FROM (
 SELECT 'search' AS scope, search AS name, at - at % 86400000000 AS day, booked, severity FROM calls WHERE state <> 'released' AND search <> ''
 UNION ALL SELECT 'team', CASE team WHEN '' THEN 'unassigned' ELSE team END, at - at % 86400000000, booked, severity FROM calls
 WHERE state <> 'released' UNION ALL SELECT 'model', source, at - at % 86400000000, booked, severity FROM calls WHERE state <> 'released' AND source <> '')
 GROUP BY scope, name, day HAVING total(booked) > 0;

CREATE TABLE budget_raises (               -- what people add to limits for a time
  scope  TEXT NOT NULL,
  name   TEXT NOT NULL,
  amount INTEGER NOT NULL,
  at     INTEGER NOT NULL,
  until  INTEGER NOT NULL,
  actor  TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (scope, name)
) WITHOUT ROWID;

CREATE TABLE budget_told (                 -- what people were told of limits
  scope  TEXT NOT NULL,
  name   TEXT NOT NULL,
  period TEXT NOT NULL,
  start  INTEGER NOT NULL,                 -- of the period
  what   TEXT NOT NULL,
  at     INTEGER NOT NULL,
  PRIMARY KEY (scope, name, period, start, what)
) WITHOUT ROWID;
`,
	`
-- Sums of grain 3: a day of all searches, teams, severities and rules together.
INSERT INTO alert_sums SELECT 3, start, '', '', 0, '', '', source, state, would, reason, '', sum(alerts), sum(cost), sum(bytes)
 FROM alert_sums WHERE grain = 2 GROUP BY start, source, state, would, reason;
INSERT INTO call_sums SELECT 3, start, '', '', 0, model, task, agent, state, replay, '', sum(attempts), sum(unpriced), sum(input), sum(cached),
 sum(cache_write), sum(output), CAST(min(total(booked), 9e18) AS INTEGER) FROM call_sums WHERE grain = 2 GROUP BY start, model, task, agent, state, replay;
`,
	`
-- What waits for a person, in the order in which people look at it: see waiting.go. ord is how urgent it is, from 0 for what
-- is most urgent, and fewer is minus the number of alerts, so that all runs upwards.
CREATE TABLE waiting (
  id    TEXT PRIMARY KEY,                  -- of the alert
  storm BLOB NOT NULL,                     -- what one decision settles: the cache key, or the id of a blind sample
  ord   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX waiting_first ON waiting (storm, id);
CREATE INDEX waiting_ord ON waiting (storm, ord);

CREATE TABLE waiting_storms (
  storm  BLOB PRIMARY KEY,
  entity BLOB NOT NULL,                    -- hash of the host or account, else storm
  ord    INTEGER NOT NULL,
  fewer  INTEGER NOT NULL,
  first  TEXT NOT NULL                     -- the oldest alert
) WITHOUT ROWID;
CREATE INDEX waiting_storms_order ON waiting_storms (entity, ord, fewer, first);
CREATE INDEX waiting_storms_first ON waiting_storms (entity, first);

CREATE TABLE waiting_entities (
  entity BLOB PRIMARY KEY,
  ord    INTEGER NOT NULL,                 -- of its most urgent storm
  fewer  INTEGER NOT NULL,
  first  TEXT NOT NULL,
  storms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX waiting_entities_order ON waiting_entities (ord, fewer, first);

CREATE TABLE samples (                     -- closes that people judge without knowing of the close; they outlive their alerts
  id     TEXT PRIMARY KEY,
  closer TEXT NOT NULL,                    -- source of the verdict that closed it
  at     INTEGER NOT NULL,                 -- when it was closed
  judged TEXT NOT NULL,                    -- see Judgement
  view   BLOB NOT NULL                     -- JSON, the record that people see instead of the alert's own until then
);
CREATE INDEX samples_closer ON samples (closer, at);
`,
	`
CREATE TABLE pages (                       -- who was paged for which group, and what came of it: see pages.go
  grp      TEXT NOT NULL,                  -- the group's name outside
  sink     TEXT NOT NULL,
  id       TEXT NOT NULL,                  -- of the alert that it is about: the first
  severity INTEGER NOT NULL,
  state    TEXT NOT NULL,                  -- see PageState
  opened   INTEGER NOT NULL,
  told     INTEGER NOT NULL,               -- when it went into the outbox; 0: it is held
  due      INTEGER NOT NULL,               -- when the next target is told; 0: never
  ref      TEXT NOT NULL,                  -- the receiver's own name for it
  actor    TEXT NOT NULL,                  -- who has acknowledged or settled it
  PRIMARY KEY (grp, sink)
) WITHOUT ROWID;
CREATE INDEX pages_id ON pages (id);
CREATE INDEX pages_told ON pages (sink, told);
CREATE INDEX pages_due ON pages (due) WHERE due > 0;
CREATE INDEX pages_held ON pages (sink, severity) WHERE state = 'held';
`,
	`
CREATE TABLE actions (                     -- response actions: what is proposed, and what became of it
  n       INTEGER PRIMARY KEY,
  id      TEXT NOT NULL UNIQUE,            -- the natural key: begins the hash
  alert   TEXT NOT NULL,
  kind    TEXT NOT NULL,
  undo    INTEGER NOT NULL,
  field   TEXT NOT NULL,
  target  TEXT NOT NULL,
  reason  TEXT NOT NULL,
  actor   TEXT NOT NULL,                   -- who proposed it, '' for the analysts
  origin  TEXT NOT NULL,                   -- the action that it takes the place of or undoes
  binds   BLOB NOT NULL,                   -- hash of action, target and evidence
  need    INTEGER NOT NULL,
  state   TEXT NOT NULL,
  dry     INTEGER NOT NULL,
  detail  TEXT NOT NULL,
  at      INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  changed INTEGER NOT NULL
);
CREATE INDEX actions_alert ON actions (alert);
CREATE INDEX actions_target ON actions (kind, target);
CREATE INDEX actions_open ON actions (state, expires) WHERE state IN ('proposed', 'approved', 'started');

CREATE TABLE action_votes (                -- what people say of them
  action  TEXT NOT NULL,
  actor   TEXT NOT NULL,
  approve INTEGER NOT NULL,
  reason  TEXT NOT NULL,
  at      INTEGER NOT NULL,
  PRIMARY KEY (action, actor)
) WITHOUT ROWID;
`,
}

func (l *Ledger) version(ctx context.Context) (int, error) {
	var v int
	if err := l.conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&v); err != nil {
		return 0, fmt.Errorf("open ledger %s: %w", l.path, err)
	}
	return v, nil
}

func (l *Ledger) checkVersion(ctx context.Context) error {
	v, err := l.version(ctx)
	if err != nil {
		return err
	}
	if v != len(migrations) {
		return fmt.Errorf("open ledger %s: schema version %d, this program reads %d (start the worker of this version once)",
			l.path, v, len(migrations))
	}
	return nil
}
