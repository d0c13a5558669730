package ledger

import (
	"crypto/sha256"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
)

// EntityFields are the fields whose values tie alerts together: CIM's names of hosts and accounts.
var EntityFields = []string{
	"user", "src_user", "dest_user", "src", "src_ip", "src_host", "dest", "dest_ip", "dest_host", "host", "dvc",
}

// Limits of the index of entities.
const (
	maxEntities    = 16  // of one alert
	maxEntityBytes = 256 // longer values are no names
	EntityAge      = 30 * 24 * time.Hour
)

// entityKey is how an entity stands in the file: a hash of whether it is an account or a host, and of
// its name in lower case.
func entityKey(field, value string) []byte {
	sum := sha256.Sum256([]byte(entityName(field, value)))
	return sum[:12]
}

func entityName(field, value string) string {
	kind := "host"
	if strings.HasSuffix(field, "user") {
		kind = "user"
	}
	return kind + "\x00" + strings.ToLower(strings.TrimSpace(value))
}

// Entities returns the fields and values of an alert that tie it to others, each host and account
// once, in the order of EntityFields, at most 16.
func Entities(f winnow.Fields) []winnow.Evidence {
	var out []winnow.Evidence
	seen := map[string]bool{}
	for _, field := range EntityFields {
		for _, v := range f[field] {
			name := entityName(field, v)
			if seen[name] || !names(v) || len(out) == maxEntities {
				continue
			}
			seen[name] = true
			out = append(out, winnow.Evidence{Field: field, Value: v})
		}
	}
	return out
}

// names reports whether a value names anything.
func names(v string) bool {
	s := strings.ToLower(strings.TrimSpace(v))
	return s != "" && s != "unknown" && s != "-" && len(v) <= maxEntityBytes
}

func (t *Tx) addEntities(a *winnow.Alert) error {
	for _, e := range Entities(a.Fields) {
		err := t.exec("INSERT OR IGNORE INTO entities (entity, received, id) VALUES (?,?,?)", entityKey(e.Field, e.Value), micro(a.Received), a.ID)
		if err != nil {
			return err
		}
	}
	return nil
}

// EntityAlert is one earlier alert with an entity.
type EntityAlert struct {
	ID          string
	Search      string
	Received    time.Time
	Severity    winnow.Severity
	State       winnow.State
	Would       winnow.State
	Disposition winnow.Disposition
	Source      winnow.Source
}

// EntityAlerts calls f with the alerts that have the value in a field of the same kind and were
// received within EntityAge before a time, newest first, at most limit; not with the alert itself.
func (t *Tx) EntityAlerts(e winnow.Evidence, self string, at time.Time, limit int, f func(EntityAlert) error) error {
	const query = `SELECT a.id, a.search_name, a.received, a.severity, a.state, a.would, a.source, a.disposition
 FROM entities e JOIN alerts a ON a.id = e.id
 WHERE e.entity = ? AND e.received > ? AND e.received <= ? AND e.id <> ? ORDER BY e.received DESC, e.id DESC LIMIT ?`
	return t.each(query, []any{entityKey(e.Field, e.Value), micro(at.Add(-EntityAge)), micro(at), self, limit}, func(scan func(...any) error) error {
		var one EntityAlert
		var received int64
		var disposition string
		if err := scan(&one.ID, &one.Search, &received, &one.Severity, &one.State, &one.Would, &one.Source, &disposition); err != nil {
			return err
		}
		one.Received = timeOf(received)
		if d, err := winnow.ParseDisposition(disposition); err == nil {
			one.Disposition = d
		}
		return f(one)
	})
}

// pruneEntities forgets what is too old to be asked for. It reports whether there is more.
func (t *Tx) pruneEntities(now time.Time, limit int) (more bool, err error) {
	err = t.exec("DELETE FROM entities WHERE (entity, received, id) IN (SELECT entity, received, id FROM entities WHERE received < ? ORDER BY received LIMIT ?)",
		micro(now.Add(-EntityAge)), limit)
	if err != nil {
		return false, err
	}
	var one int
	return t.get("SELECT 1 FROM entities WHERE received < ? LIMIT 1", []any{micro(now.Add(-EntityAge))}, &one)
}
