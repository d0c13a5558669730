package llm

import "context"

// Enrichment says what the alert is about: which asset, whose, how sensitive, how bad. What is
// read off the alert (facts) and what is only supposed (assumptions) are kept apart.
type Enrichment struct {
	Asset       string      `json:"asset"`       // "" when unknown
	Owner       string      `json:"owner"`       // "" when unknown
	Sensitivity Sensitivity `json:"sensitivity"` // how much harm at the asset would cost
	Severity    int         `json:"severity"`    // 1 (notice) to 5 (critical), as the analyst sees it
	Facts       []Statement `json:"facts"`
	Assumptions []string    `json:"assumptions"`
}

// Statement is a sentence and the field of the alert that it rests on.
type Statement struct {
	Text  string `json:"text"`
	Field string `json:"field"`
}

// Sensitivity says how much harm at an asset would cost.
type Sensitivity string

// The sensitivities.
const (
	SensitivityUnknown  Sensitivity = "unknown"
	SensitivityLow      Sensitivity = "low"
	SensitivityMedium   Sensitivity = "medium"
	SensitivityHigh     Sensitivity = "high"
	SensitivityCritical Sensitivity = "critical"
)

func (e *Enrichment) check(k *checker) {
	k.text("asset", &e.Asset, maxNameRunes)
	k.text("owner", &e.Owner, maxNameRunes)
	switch e.Sensitivity {
	case SensitivityUnknown, SensitivityLow, SensitivityMedium, SensitivityHigh, SensitivityCritical:
	default:
		k.fail("sensitivity is %.40q, want unknown, low, medium, high or critical", e.Sensitivity)
	}
	k.within("severity", e.Severity, 1, 5)
	k.statements("facts", e.Facts)
	k.texts("assumptions", e.Assumptions)
}

// enrich is the first stage.
func (r *run) enrich(ctx context.Context) (settled bool, err error) {
	err = ask(ctx, r, r.p.o.Enrich, Question{Task: TaskEnrich, Case: &r.c}, &r.c.Enrichment)
	if err == nil {
		r.lift(r.p.o.Enrich)
	}
	return false, err
}
