package ledger

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
)

// BenchmarkAudit adds rule-decided alerts in batches as the worker does, with and without the chain.
func BenchmarkAudit(b *testing.B) {
	for _, name := range []string{"without", "with"} {
		b.Run(name, func(b *testing.B) {
			l := openNew(b)
			l.audit.idle = name == "without"
			const batch = 500
			n := 0
			for b.Loop() {
				addDrops(b, l, n, batch)
				n += batch
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "alerts/s")
			if info, err := os.Stat(l.path); err == nil && n > 0 {
				b.ReportMetric(float64(info.Size())/float64(n), "bytes/alert")
			}
		})
	}
}

func addDrops(tb testing.TB, l *Ledger, from, n int) {
	tb.Helper()
	update(tb, l, func(tx *Tx) error {
		for i := range n {
			e := sample(from + i)
			e.Alert.ID = fmt.Sprintf("01M7SF89VEEV0AZN62%08d", from+i)
			e.Alert.Key.RID = fmt.Sprint(from + i)
			r := recordOf(e, winnow.StateClosed)
			r.Proposal = winnow.Proposal{Kind: winnow.ProposeDrop, Reason: winnow.ReasonRule, Rule: "vpn-egress-travel", RuleSet: "sha256:" + fmt.Sprintf("%064d", 1)}
			r.Outcome.Reason, r.Outcome.Actor, r.Outcome.Time = winnow.ReasonRule, "rule:vpn-egress-travel", noon
			if err := tx.Add(e, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// BenchmarkVerify walks over a chain of 100,000 entries, and holds as many alerts against it.
func BenchmarkVerify(b *testing.B) {
	l := openNew(b)
	const alerts = 100_000
	for n := 0; n < alerts; n += 500 {
		addDrops(b, l, n, 500)
	}
	b.Run("chain", func(b *testing.B) {
		var took time.Duration
		runs := 0
		for b.Loop() {
			began := time.Now()
			view(b, l, func(tx *Tx) error {
				v := &Verification{}
				return tx.verifyChain(&VerifyOptions{}, v)
			})
			took += time.Since(began)
			runs++
		}
		b.ReportMetric(float64(alerts*runs)/took.Seconds(), "entries/s")
	})
	b.Run("alerts", func(b *testing.B) {
		runs := 0
		for b.Loop() {
			holds(b, l)
			runs++
		}
		b.ReportMetric(float64(alerts*runs)/b.Elapsed().Seconds(), "alerts/s")
	})
}
