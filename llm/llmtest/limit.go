package llmtest

import (
	"net/http"
	"strconv"
	"time"
)

// over counts a request against the limit of the minute; over it, it says how long to wait.
func (s *Server) over(tokens int64) (wait time.Duration, over bool) {
	l := s.o.Limit
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	if now.Sub(s.minute) >= time.Minute {
		s.minute, s.used = now, Limit{}
	}
	if l.Requests > 0 && s.used.Requests+1 > l.Requests || l.Tokens > 0 && s.used.Tokens+tokens > l.Tokens {
		return s.minute.Add(time.Minute).Sub(now), true
	}
	s.used.Requests++
	s.used.Tokens += tokens
	return 0, false
}

// limit writes what is left of the minute, in the words of the interface.
func (s *Server) limit(w http.ResponseWriter, j *job) {
	l := s.o.Limit
	s.mu.Lock()
	used, reset := s.used, s.minute.Add(time.Minute)
	s.mu.Unlock()
	left := reset.Sub(s.o.Now())
	for _, part := range []struct {
		name      string
		max, used int64
	}{{"requests", l.Requests, used.Requests}, {"tokens", l.Tokens, used.Tokens}} {
		if part.max == 0 {
			continue
		}
		all, rest := strconv.FormatInt(part.max, 10), strconv.FormatInt(max(part.max-part.used, 0), 10)
		if j.entry.API == Messages {
			w.Header().Set("Anthropic-Ratelimit-"+part.name+"-Limit", all)
			w.Header().Set("Anthropic-Ratelimit-"+part.name+"-Remaining", rest)
			w.Header().Set("Anthropic-Ratelimit-"+part.name+"-Reset", reset.UTC().Format(time.RFC3339))
			continue
		}
		w.Header().Set("X-Ratelimit-Limit-"+part.name, all)
		w.Header().Set("X-Ratelimit-Remaining-"+part.name, rest)
		w.Header().Set("X-Ratelimit-Reset-"+part.name, left.String())
	}
}
