package splunk

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
)

// ack is one acknowledgement that indexers owe: for all events of one request.
type ack struct {
	id      int64
	channel string

	mu            sync.Mutex
	arrived, lost bool
}

func (a *ack) state() (arrived, lost bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.arrived, a.lost
}

func (a *ack) set(arrived, lost bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.arrived, a.lost = a.arrived || arrived, a.lost || lost
}

// ackChannel is the channel of one sink, under which a collector numbers its acknowledgements. A collector that
// was restarted knows the channel no more and begins at 0 again; a number from before would then be
// acknowledged for other events. So when numbers do not rise, all that is owed from before is lost.
type ackChannel struct {
	mu   sync.Mutex
	guid string
	high int64
	open map[int64]*ack
}

func newAckChannel() *ackChannel {
	c := &ackChannel{}
	c.renew()
	return c
}

// renew takes another channel; what was owed under the old one is lost. The caller holds the lock.
func (c *ackChannel) renew() {
	for _, a := range c.open {
		a.set(false, true)
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	c.guid = fmt.Sprintf("%X-%X-%X-%X-%X", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	c.high, c.open = -1, map[int64]*ack{}
}

// name returns the channel's GUID.
func (c *ackChannel) name() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.guid
}

// owe notes the number that a request was given.
func (c *ackChannel) owe(guid string, id int64) *ack {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &ack{id: id, channel: guid}
	if guid != c.guid {
		a.lost = true // the channel was given up meanwhile
		return a
	}
	if id <= c.high {
		for _, old := range c.open {
			old.set(false, true)
		}
		c.open = map[int64]*ack{}
	}
	c.high, c.open[id] = id, a
	return a
}

// lose gives a channel up.
func (c *ackChannel) lose(guid string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if guid == c.guid {
		c.renew()
	}
}

// owed returns the channel and the numbers that are open on it.
func (c *ackChannel) owed() (guid string, ids []int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.open {
		ids = append(ids, id)
	}
	return c.guid, ids
}

// settle notes what a collector has said of numbers of a channel.
func (c *ackChannel) settle(guid string, said map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if guid != c.guid {
		return
	}
	for text, done := range said {
		id, err := strconv.ParseInt(text, 10, 64)
		if a := c.open[id]; err == nil && done && a != nil {
			a.set(true, false)
			delete(c.open, id)
		}
	}
}

// drop forgets a number that nobody waits for any more.
func (c *ackChannel) drop(a *ack) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[a.id] == a {
		delete(c.open, a.id)
	}
}

// askAcks asks the collector which requests are indexed.
func (s *HECSink) askAcks(ctx context.Context) error {
	const op = "ask for acknowledgements"
	guid, ids := s.channel.owed()
	if len(ids) == 0 {
		return nil
	}
	key, err := s.server.secret(ctx)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string][]int64{"acks": ids})
	if err != nil {
		return &Error{Op: op, Code: CodeInput, Err: err}
	}
	a, said, err := s.server.postHEC(ctx, op, "/services/collector/ack?channel="+guid, guid, body, key)
	switch {
	case err != nil:
		return err
	case said.Code != nil && (*said.Code == hecNoChannel || *said.Code == hecBadChannel):
		s.channel.lose(guid)
		return nil
	case said.Code != nil && *said.Code == hecAckDisabled:
		s.channel.lose(guid) // what is sent again gets no number, and is searched for
		return nil
	case !a.ok():
		return s.server.hecRefused(op, a, said)
	}
	var told struct {
		Acks map[string]bool `json:"acks"`
	}
	if err := json.Unmarshal(a.body, &told); err != nil || told.Acks == nil {
		return &Error{Op: op, Status: a.status, Code: CodeBadAnswer, Retry: true, Err: errors.New("the answer holds no acknowledgements")}
	}
	s.channel.settle(guid, told.Acks)
	return nil
}
