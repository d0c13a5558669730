package conf

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/winnow-soc/winnow"
)

// Scores are risk scores by severity. A severity without one has the score of unknown.
type Scores map[winnow.Severity]int

// DefaultScores are those of a sink that says none.
func DefaultScores() Scores {
	return Scores{
		winnow.SeverityUnknown: 20, winnow.SeverityInformational: 5, winnow.SeverityLow: 20,
		winnow.SeverityMedium: 40, winnow.SeverityHigh: 60, winnow.SeverityCritical: 80,
	}
}

// Or returns the scores with those of d where they say none.
func (s Scores) Or(d Scores) Scores {
	out := maps.Clone(d)
	maps.Copy(out, s)
	return out
}

// Of returns the score of a severity.
func (s Scores) Of(v winnow.Severity) int {
	if score, ok := s[v]; ok {
		return score
	}
	return s[winnow.SeverityUnknown]
}

// scores takes pairs like high:60, with commas between them.
func scores(to *Scores) func(string) error {
	return func(text string) error {
		out := Scores{}
		var pairs []string
		_ = list(&pairs)(text)
		for _, pair := range pairs {
			name, number, _ := strings.Cut(pair, ":")
			var v winnow.Severity
			if err := severity(&v)(strings.Trim(name, blank)); err != nil {
				return err
			}
			n, err := strconv.Atoi(strings.Trim(number, blank))
			if err != nil || n < 0 || n > 100 {
				return fmt.Errorf("%q is not a severity and a score from 0 to 100, like high:60", pair)
			}
			out[v] = n
		}
		*to = out
		return nil
	}
}
