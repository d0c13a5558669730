package triage

import (
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// writes reports whether a sink writes the event of an alert that survives. Where findings are made, notable
// events are the other way only.
func (e *Engine) writes(sink conf.Sink) bool {
	if sink.Type != conf.SinkNotable {
		return sink.Type == conf.SinkFinding
	}
	for _, s := range e.Sinks {
		if s.Type == conf.SinkFinding {
			return false
		}
	}
	return true
}

// otherWay sends what a sink has given up on through the first sink that writes notable events, so that a
// person hears of it all the same. It returns that sink's name, "" when there is nothing to send or no other
// way. Of updates only escalations go on: the notable event that could not be found is nobody's then, and the
// rest waits in winnow's own queue.
func (e *Engine) otherWay(t *ledger.Tx, d *ledger.Delivery) (string, error) {
	update := d.Kind == ledger.DeliverUpdate && d.Record.Outcome.State == winnow.StateEscalated && !d.CommentOnly
	if !update && d.Kind != ledger.DeliverNotable {
		return "", nil
	}
	now, err := t.Record(d.Record.ID)
	if err != nil || now.Outcome.State != d.Record.Outcome.State {
		return "", err // something else has become of it, and is told by itself
	}
	for _, sink := range e.Sinks {
		if sink.Type != conf.SinkNotable || sink.Name == d.Sink {
			continue
		}
		other := *d
		other.Sink, other.Kind, other.CommentOnly = sink.Name, ledger.DeliverNotable, false
		other.Key = strings.TrimSuffix(d.Key, "/"+d.Sink) + "/" + sink.Name
		if err := t.Post(other, e.Now()); err != nil {
			return "", err
		}
		return sink.Name, t.SetNotable(d.Record.ID)
	}
	return "", nil
}
