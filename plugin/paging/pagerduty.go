package paging

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk"
)

// pagerDuty sends events to PagerDuty's Events API v2. The dedup key is the group: whatever is sent twice, or again
// while an incident is open, wakes nobody twice.
type pagerDuty struct{ *target }

// pagerDutyURL is where events go when [sink:NAME] url names no other place, that of the EU say.
const pagerDutyURL = "https://events.pagerduty.com"

func newPagerDuty(c conf.Sink, o Options) (*pagerDuty, error) {
	t, err := newTarget(c, o, pagerDutyURL)
	return &pagerDuty{t}, err
}

type pagerDutyEvent struct {
	RoutingKey string            `json:"routing_key"`
	Action     string            `json:"event_action"`
	DedupKey   string            `json:"dedup_key"`
	Client     string            `json:"client,omitempty"`
	Payload    *pagerDutyPayload `json:"payload,omitempty"`
}

type pagerDutyPayload struct {
	Summary   string            `json:"summary"`
	Source    string            `json:"source"`
	Severity  string            `json:"severity"`
	Timestamp string            `json:"timestamp"`
	Class     string            `json:"class,omitempty"`
	Details   map[string]string `json:"custom_details"`
}

// pagerDutySeverity is the nearest of the four that PagerDuty knows. What nobody could tell is taken for serious.
func pagerDutySeverity(s winnow.Severity) string {
	switch s {
	case winnow.SeverityCritical:
		return "critical"
	case winnow.SeverityMedium:
		return "warning"
	case winnow.SeverityLow, winnow.SeverityInformational:
		return "info"
	case winnow.SeverityHigh, winnow.SeverityUnknown:
	}
	return "error"
}

// Deliver sends one event.
func (s *pagerDuty) Deliver(ctx context.Context, d ledger.Delivery) error {
	const op = "page through PagerDuty"
	page, err := s.page(&d)
	if err != nil {
		return err
	}
	key, err := s.Key(ctx)
	if err != nil {
		return err
	}
	event := pagerDutyEvent{RoutingKey: key.Reveal(), Action: string(page.Action), DedupKey: page.Group}
	if page.Action == ledger.PageTrigger {
		m := newMessage(&d, "")
		event.Client = "winnow"
		event.Payload = &pagerDutyPayload{
			Summary: m.Title, Source: "winnow", Severity: pagerDutySeverity(max(d.Record.Severity, d.Record.Verdict.Severity)),
			Timestamp: m.Time, Class: m.Search,
			Details: map[string]string{"case": m.Text, "alert": m.Alert, "search": m.Search, "severity": m.Severity},
		}
	}
	body, err := json.Marshal(event)
	if err != nil {
		return s.Refused(op, err.Error(), splunk.CodeInput, false)
	}
	_, err = s.Call(ctx, splunk.Request{Op: op, Method: http.MethodPost, Path: "/v2/enqueue", Body: body, Key: key})
	return err
}
