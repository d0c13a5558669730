package focus

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
)

// Line is what winnow booked on one day for calls that share everything a bill is split by.
type Line struct {
	Day      time.Time // of UTC
	Search   string
	Team     string // "" for none
	Centre   string // cost centre of the team, "" for none
	Severity string
	Rule     string // the allow-list rule whose drop was triaged all the same, "" for other calls
	Stage    string
	Agent    string // "" outside the panel
	Model    string // as it is billed
	Provider string // who sells the calls
	Account  string // which of the customer's accounts pays
	Tier     string // that the provider billed, "" when it did not say
	Replay   bool   // a person asked what would change

	// WorstCase says that nobody knows the usage of these calls: Booked is the most that they can have cost.
	WorstCase bool

	Attempts, Unpriced                int
	Input, Cached, CacheWrite, Output int64 // tokens; Cached and CacheWrite are parts of Input
	Booked                            winnow.NanoUSD
}

// cell is one column of a row.
type cell struct{ name, value string }

// Write writes the lines of a month as a Cost and Usage dataset: FOCUS columns first, then winnow's own, each by name.
// Money is in US dollars, to the nano-dollar. Every row is an estimate: these are winnow's books at the prices of its
// own table, and no invoice. The specification says that by a null InvoiceId, winnow by x_IsEstimate and
// x_EstimateBasis. A cell that a spreadsheet would run as a formula gets an apostrophe in front. The same lines make
// the same file.
func Write(w io.Writer, month time.Time, lines []Line, defuse func(string) string) error {
	out := csv.NewWriter(w)
	head := make([]string, 0, 64)
	for _, c := range cells(month, &Line{}, defuse) {
		head = append(head, c.name)
	}
	if err := out.Write(head); err != nil {
		return err
	}
	row := make([]string, len(head))
	for i := range lines {
		for j, c := range cells(month, &lines[i], defuse) {
			row[j] = c.value
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func cells(month time.Time, l *Line, defuse func(string) string) []cell {
	month = month.UTC()
	first := time.Date(month.Year(), month.Month(), 1, 0, 0, 0, 0, time.UTC)
	day := l.Day.UTC().Truncate(24 * time.Hour)
	cost, provider := Dollars(l.Booked), defuse(l.Provider)
	u := usageOf(l)
	return []cell{
		{"BilledCost", cost},
		{"BillingAccountId", defuse(l.Account)},
		{"BillingAccountName", ""},
		{"BillingCurrency", "USD"},
		{"BillingPeriodEnd", stamp(first.AddDate(0, 1, 0))},
		{"BillingPeriodStart", stamp(first)},
		{"ChargeCategory", u.category},
		{"ChargeClass", ""},
		{"ChargeDescription", defuse(description(l))},
		{"ChargeFrequency", u.frequency},
		{"ChargePeriodEnd", stamp(day.AddDate(0, 0, 1))},
		{"ChargePeriodStart", stamp(day)},
		{"ConsumedQuantity", u.consumed},
		{"ConsumedUnit", u.consumedUnit},
		{"ContractedCost", cost},
		{"EffectiveCost", cost},
		{"HostProviderName", provider},
		{"InvoiceId", ""},
		{"InvoiceIssuerName", provider},
		{"ListCost", cost},
		{"PricingCategory", u.pricing},
		{"PricingQuantity", u.priced},
		{"PricingUnit", u.pricedUnit},
		{"ProviderName", provider},
		{"PublisherName", provider},
		{"ServiceCategory", "AI and Machine Learning"},
		{"ServiceName", defuse(l.Provider + " API")},
		{"ServiceProviderName", provider},
		{"ServiceSubcategory", "Generative AI"},
		{"Tags", tags(l)},
		{"x_AgentName", defuse(l.Agent)},
		{"x_Attempts", strconv.Itoa(l.Attempts)},
		{"x_CacheWriteTokens", u.tokens(l.CacheWrite)},
		{"x_CachedTokens", u.tokens(l.Cached)},
		{"x_CostCentreId", defuse(l.Centre)},
		{"x_EstimateBasis", u.basis},
		{"x_InputTokens", u.tokens(l.Input)},
		{"x_IsEstimate", "true"},
		{"x_IsReplay", strconv.FormatBool(l.Replay)},
		{"x_ModelName", defuse(l.Model)},
		{"x_OutputTokens", u.tokens(l.Output)},
		{"x_RuleId", defuse(l.Rule)},
		{"x_SearchName", defuse(l.Search)},
		{"x_ServiceTier", defuse(l.Tier)},
		{"x_Severity", l.Severity},
		{"x_StageName", defuse(l.Stage)},
		{"x_TeamName", defuse(l.Team)},
		{"x_UnpricedAttempts", strconv.Itoa(l.Unpriced)},
	}
}

// usage is how a row tells of what was consumed. Calls whose usage nobody knows are no usage by the specification,
// which wants quantities of those: they are an adjustment, which has none.
type usage struct {
	category, frequency, pricing string
	consumed, consumedUnit       string
	priced, pricedUnit           string
	basis                        string
}

func usageOf(l *Line) usage {
	if l.WorstCase {
		return usage{category: "Adjustment", frequency: "One-Time", basis: "winnow ledger: worst case of calls whose usage is not known"}
	}
	tokens := l.Input + l.Output
	return usage{
		category: "Usage", frequency: "Usage-Based", pricing: "Standard",
		consumed: strconv.FormatInt(tokens, 10), consumedUnit: "Tokens",
		priced: scaled(tokens, 6), pricedUnit: "1000000 Tokens",
		basis: "winnow ledger: usage told by the provider, at the prices of prices.yaml",
	}
}

// tokens leaves out numbers that nobody knows.
func (u *usage) tokens(n int64) string {
	if u.consumedUnit == "" {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05Z") }

// Dollars writes an amount exactly, like 0.000000001.
func Dollars(n winnow.NanoUSD) string { return scaled(int64(n), 9) }

// scaled writes n divided by ten to the power of places, without zeros at the end.
func scaled(n int64, places int) string {
	sign, digits := "", strconv.FormatInt(n, 10)
	if rest, below := strings.CutPrefix(digits, "-"); below {
		sign, digits = "-", rest
	}
	if len(digits) <= places {
		digits = strings.Repeat("0", places+1-len(digits)) + digits
	}
	at := len(digits) - places
	return sign + strings.TrimRight(strings.TrimRight(digits[:at]+"."+digits[at:], "0"), ".")
}

func description(l *Line) string {
	what := "Estimate: " + l.Stage
	if l.Agent != "" {
		what += "/" + l.Agent
	}
	what += " of alerts by " + l.Model + ", 1 attempt"
	if l.Attempts != 1 {
		what = fmt.Sprintf("%s, %d attempts", strings.TrimSuffix(what, ", 1 attempt"), l.Attempts)
	}
	if l.Replay {
		what += ", asked for by a replay"
	}
	if l.Rule != "" {
		what += ", samples of what a rule dropped"
	}
	if l.WorstCase {
		what += ", usage not known: at their worst case"
	}
	return what
}

// tags are what allocation goes by; null where there is no team.
func tags(l *Line) string {
	if l.Team == "" {
		return ""
	}
	t := map[string]string{"team": l.Team}
	if l.Centre != "" {
		t["cost_centre"] = l.Centre
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(t); err != nil {
		return "" // text always encodes
	}
	return strings.TrimSpace(b.String())
}
