package focus

import (
	"bytes"
	"encoding/csv"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
)

var update = flag.Bool("update", false, "rewrite the golden file")

var november = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// lines are one of every sort, hostile names among them.
func lines() []Line {
	day := november.AddDate(0, 0, 19)
	usual := Line{
		Day: day, Search: "Impossible Travel", Team: "identity", Centre: "CC-1200", Severity: "medium", Stage: "classify", Model: "gpt-5.4-mini",
		Provider: "OpenAI", Account: "winnow:small", Tier: "flex", Attempts: 12, Input: 36_000, Cached: 20_480, CacheWrite: 1_024, Output: 2_880,
		Booked: 31_234_567,
	}
	vote, worst, canary, replay, evil, none := usual, usual, usual, usual, usual, usual
	vote.Stage, vote.Agent = "vote", "network"
	worst.WorstCase, worst.Attempts, worst.Input, worst.Cached, worst.CacheWrite, worst.Output, worst.Booked = true, 2, 0, 0, 0, 0, 900_000
	canary.Rule, canary.Day = "vpn-egress-travel", day.AddDate(0, 0, 1)
	replay.Replay, replay.Team, replay.Centre = true, "", ""
	evil.Search, evil.Team, evil.Centre = `=HYPERLINK("http://evil.example","x"),`+"\n\x1b[2J", "-1+1", "@SUM(A1)"
	none.Booked, none.Unpriced, none.Model = 0, 12, "home-made"
	return []Line{usual, vote, worst, canary, replay, evil, none}
}

func defused(s string) string {
	if strings.HasPrefix(s, "=") || strings.HasPrefix(s, "-") || strings.HasPrefix(s, "@") || strings.HasPrefix(s, "+") {
		return "'" + s
	}
	return s
}

func written(t *testing.T, all []Line) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, november, all, defused); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTheFileIsAsItWas(t *testing.T) {
	path, got := filepath.Join("testdata", "november.csv"), written(t, lines())
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the file differs (-want +got), see -update:\n%s", diff)
	}
}

func TestWhatIsWrittenPasses(t *testing.T) {
	for name, all := range map[string][]Line{"every sort": lines(), "nothing": nil} {
		problems, err := Check(strings.NewReader(written(t, all)))
		if err != nil || len(problems) > 0 {
			t.Errorf("%s: %v %v", name, problems, err)
		}
	}
}

// TestWhateverIsBookedPasses: no name and no number makes a file that the check refuses, and every cell that is text
// comes back as it was.
func TestWhateverIsBookedPasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringN(0, 30, 90)
		l := Line{
			Day: november.AddDate(0, 0, rapid.IntRange(0, 29).Draw(t, "day")), Search: name.Draw(t, "search"), Team: name.Draw(t, "team"),
			Centre: name.Draw(t, "centre"), Rule: name.Draw(t, "rule"), Stage: name.Draw(t, "stage"), Model: name.Draw(t, "model"), Severity: "low",
			Provider: "OpenAI", Account: "winnow:a", WorstCase: rapid.Bool().Draw(t, "worst"), Replay: rapid.Bool().Draw(t, "replay"),
			Attempts: rapid.IntRange(0, 1e9).Draw(t, "attempts"), Input: rapid.Int64Range(0, 1e15).Draw(t, "input"),
			Output: rapid.Int64Range(0, 1e15).Draw(t, "output"), Booked: winnow.NanoUSD(rapid.Int64Range(0, 1e18).Draw(t, "booked")),
		}
		var b bytes.Buffer
		if err := Write(&b, november, []Line{l}, defused); err != nil {
			t.Fatal(err)
		}
		if problems, err := Check(bytes.NewReader(b.Bytes())); err != nil || len(problems) > 0 {
			t.Fatalf("%v %v\n%s", problems, err, b.String())
		}
	})
}

// mutate changes cells of the second row of a good file: a name with "-" in front loses its column, one with "+" is a
// new column.
func mutate(t *testing.T, change map[string]string) string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(written(t, lines()[:1]))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range change {
		if lost, ok := strings.CutPrefix(name, "-"); ok {
			at := slices.Index(rows[0], lost)
			rows[0], rows[1] = slices.Delete(rows[0], at, at+1), slices.Delete(rows[1], at, at+1)
			continue
		}
		at := slices.Index(rows[0], strings.TrimPrefix(name, "+"))
		if strings.HasPrefix(name, "+") {
			at = len(rows[0])
			rows[0], rows[1] = append(rows[0], name[1:]), append(rows[1], "")
		}
		rows[1][at] = value
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestEveryBrokenRuleIsTold: a good file with one requirement of the specification broken, and what is said of it.
func TestEveryBrokenRuleIsTold(t *testing.T) {
	type cells = map[string]string
	tests := []struct {
		change       cells
		column, says string
	}{
		{cells{"BilledCost": "$1.20"}, "BilledCost", "is no number"},
		{cells{"BilledCost": "+1"}, "BilledCost", "is no number"},
		{cells{"BilledCost": "1,200.5"}, "BilledCost", "is no number"},
		{cells{"BilledCost": "1 1/2"}, "BilledCost", "is no number"},
		{cells{"BilledCost": "1E+3"}, "BilledCost", "is no number"},
		{cells{"BilledCost": strings.Repeat("9", 200)}, "BilledCost", "is no number"},
		{cells{"BilledCost": ""}, "BilledCost", "MUST NOT be null"},
		{cells{"BillingCurrency": "usd"}, "BillingCurrency", "no code of a currency"},
		{cells{"BillingCurrency": "QQQ"}, "BillingCurrency", "no code of a currency"},
		{cells{"BillingCurrency": "Tokens"}, "BillingCurrency", "no code of a currency"},
		{cells{"BillingAccountId": ""}, "BillingAccountId", "MUST NOT be null"},
		{cells{"BillingAccountName": "N/A"}, "BillingAccountName", "stands for no value"},
		{cells{"HostProviderName": "Not Applicable"}, "HostProviderName", "stands for no value"},
		{cells{"BillingPeriodStart": "2026-11-01"}, "BillingPeriodStart", "no date and time"},
		{cells{"BillingPeriodStart": "2026-11-01T00:00:00+00:00"}, "BillingPeriodStart", "no date and time"},
		{cells{"ChargePeriodStart": "2026-11-31T00:00:00Z"}, "ChargePeriodStart", "no date and time"},
		{cells{"ChargePeriodStart": "2026-11-20 00:00:00Z"}, "ChargePeriodStart", "no date and time"},
		{cells{"ChargePeriodEnd": "2026-11-20T00:00:00Z"}, "ChargePeriodEnd", "exclusive end"},
		{cells{"BillingPeriodEnd": "2026-10-01T00:00:00Z"}, "BillingPeriodEnd", "exclusive end"},
		{cells{"ChargeCategory": "usage"}, "ChargeCategory", "MUST be one of"},
		{cells{"ChargeCategory": "Fee"}, "ChargeCategory", "MUST be one of"},
		{cells{"ChargeCategory": ""}, "ChargeCategory", "MUST NOT be null"},
		{cells{"ChargeCategory": "Adjustment"}, "ConsumedQuantity", "MUST be null when ChargeCategory is not Usage"},
		{cells{"ChargeCategory": "Tax", "ConsumedQuantity": "", "ConsumedUnit": ""}, "PricingQuantity", "MUST be null when ChargeCategory is Tax"},
		{cells{"ChargeCategory": "Tax", "ConsumedQuantity": "", "ConsumedUnit": ""}, "PricingCategory", "MUST be null when ChargeCategory is Tax"},
		{
			cells{"ChargeCategory": "Credit", "ConsumedQuantity": "", "ConsumedUnit": "", "BilledCost": "-1"}, "EffectiveCost",
			"MUST be BilledCost when ChargeCategory is Credit",
		},
		{
			cells{"ChargeCategory": "Purchase", "ConsumedQuantity": "", "ConsumedUnit": ""}, "ChargeFrequency",
			"MUST NOT be Usage-Based when ChargeCategory is Purchase",
		},
		{cells{"ChargeClass": "Refund"}, "ChargeClass", "MUST be one of Correction"},
		{cells{"ChargeFrequency": "Daily"}, "ChargeFrequency", "MUST be one of"},
		{cells{"ConsumedQuantity": ""}, "ConsumedQuantity", "MUST NOT be null"},
		{cells{"ConsumedUnit": ""}, "ConsumedUnit", "MUST NOT be null when ConsumedQuantity is not null"},
		{cells{"ConsumedQuantity": "", "ChargeClass": "Correction"}, "ConsumedUnit", "MUST be null when ConsumedQuantity is null"},
		{cells{"PricingQuantity": ""}, "PricingQuantity", "MUST NOT be null"},
		{cells{"PricingUnit": ""}, "PricingUnit", "MUST NOT be null when PricingQuantity is not null"},
		{cells{"PricingCategory": "On-Demand"}, "PricingCategory", "MUST be one of"},
		{cells{"PricingCategory": ""}, "PricingCategory", "MUST NOT be null"},
		{cells{"InvoiceIssuerName": ""}, "InvoiceIssuerName", "MUST NOT be null"},
		{cells{"ProviderName": ""}, "ProviderName", "MUST NOT be null"},
		{cells{"ServiceProviderName": ""}, "ServiceProviderName", "MUST NOT be null"},
		{cells{"ServiceName": "\xff"}, "ServiceName", "valid Unicode"},
		{cells{"x_SearchName": "\xff"}, "x_SearchName", "valid Unicode"},
		{cells{"ServiceCategory": "AI"}, "ServiceCategory", "MUST be one of"},
		{cells{"ServiceCategory": "Compute"}, "ServiceSubcategory", `MUST be of ServiceCategory "Compute"`},
		{cells{"ServiceSubcategory": "LLM"}, "ServiceSubcategory", "MUST be one of"},
		{cells{"Tags": "team=identity"}, "Tags", "no JSON object"},
		{cells{"Tags": `["identity"]`}, "Tags", "no JSON object"},
		{cells{"Tags": `{"team": "identity"`}, "Tags", "no JSON object"},
		{cells{"Tags": `{"team": {"name": "identity"}}`}, "Tags", "holds an object or a list"},
		{cells{"Tags": `{"team": "a", "team": "b"}`}, "Tags", "twice"},
		{cells{"Tags": `{"team": "a"} {}`}, "Tags", "something follows"},
		{cells{"+AllocatedMethodDetails": "[]"}, "AllocatedMethodDetails", "no JSON object"},
		{cells{"+AllocatedResourceId": "r-1"}, "AllocatedResourceId", "MUST be null when AllocatedMethodId is null"},
		{cells{"+ListUnitPrice": "1"}, "ListCost", "MUST be ListUnitPrice times PricingQuantity"},
		{cells{"+ContractedUnitPrice": "-1"}, "ContractedUnitPrice", "MUST NOT be below zero"},
		{cells{"+ListUnitPrice": ""}, "ListUnitPrice", "MUST NOT be null when ChargeCategory is Usage"},
		{cells{"+SkuId": ""}, "SkuId", "MUST NOT be null"},
		{cells{"+SkuMeter": "Tokens"}, "SkuMeter", "MUST be null when SkuId is null"},
		{cells{"+SkuPriceDetails": "{}"}, "SkuPriceDetails", "MUST be null when SkuPriceId is null"},
		{cells{"+SubAccountId": "a"}, "", ""},
		{cells{"+SubAccountId": "a", "+SubAccountName": ""}, "SubAccountName", "MUST NOT be null when SubAccountId is not null"},
		{cells{"+RegionId": "", "+RegionName": "Frankfurt"}, "RegionName", "MUST be null when RegionId is null"},
		{cells{"+ResourceId": "r", "+ResourceType": ""}, "ResourceType", "MUST NOT be null when ResourceId is not null"},
		{cells{"+BillingAccountType": ""}, "BillingAccountType", "MUST NOT be null"},
		{cells{"+CommitmentDiscountStatus": "Half"}, "CommitmentDiscountStatus", "MUST be one of Used, Unused"},
		{cells{"+CommitmentDiscountId": "d", "+CommitmentDiscountStatus": ""}, "CommitmentDiscountStatus", "MUST NOT be null when"},
		{cells{"+CommitmentDiscountId": "d", "+CommitmentDiscountStatus": "Unused"}, "ConsumedQuantity", "MUST be null when"},
		{cells{"+CapacityReservationStatus": "Used"}, "CapacityReservationStatus", "MUST be null when"},
		{cells{"+PricingCurrencyListUnitPrice": ""}, "PricingCurrencyListUnitPrice", "MUST NOT be null"},
		{cells{"+Team": "identity"}, "Team", "a custom column MUST begin with x_"},
		{cells{"+x_": "identity"}, "x_", "a custom column MUST begin with x_"},
		{cells{"+BilledCost": "1"}, "BilledCost", "there twice"},
		{cells{"-BilledCost": ""}, "BilledCost", "MUST be present"},
		{cells{"-HostProviderName": ""}, "HostProviderName", "MUST be present"},
		{cells{"-PublisherName": ""}, "PublisherName", "MUST be present"},
	}
	for _, tt := range tests {
		problems, err := Check(strings.NewReader(mutate(t, tt.change)))
		if err != nil {
			t.Errorf("%v: %v", tt.change, err)
		}
		found := tt.says == "" && !slices.ContainsFunc(problems, func(p Problem) bool { return !p.Should })
		for _, p := range problems {
			found = found || !p.Should && p.Column == tt.column && strings.Contains(p.Message, tt.says)
		}
		if !found {
			t.Errorf("%v: want %s: ... %s\n got %v", tt.change, tt.column, tt.says, problems)
		}
	}
}

// TestEveryMandatoryColumnIsMissed, and every one that may not be null is missed in a row.
func TestEveryMandatoryColumnIsMissed(t *testing.T) {
	head, _, _ := strings.Cut(written(t, nil), "\n")
	for _, k := range columns {
		there := slices.Contains(strings.Split(head, ","), k.name)
		if k.level == mandatory != (there && k.level == mandatory) {
			t.Errorf("%s is mandatory and not written", k.name)
		}
		if !there {
			continue
		}
		problems, err := Check(strings.NewReader(mutate(t, map[string]string{"-" + k.name: ""})))
		missed := slices.ContainsFunc(problems, func(p Problem) bool {
			return p.Column == k.name && p.Line == 1 && p.Should == (k.level == recommended)
		})
		if err != nil || missed != (k.level != conditional) {
			t.Errorf("without %s: %v %v", k.name, problems, err)
		}
		problems, err = Check(strings.NewReader(mutate(t, map[string]string{k.name: ""})))
		missed = slices.ContainsFunc(problems, func(p Problem) bool { return p.Column == k.name && p.Message == "MUST NOT be null" })
		if err != nil || missed == k.null {
			t.Errorf("%s null: %v %v", k.name, problems, err)
		}
	}
}

func TestAdviceIsNoError(t *testing.T) {
	for _, change := range []map[string]string{
		{"-InvoiceId": ""}, {"+x_team_name": ""}, {"+x_" + strings.Repeat("A", 60): ""}, {"+Tags2": ""}, {"BillingAccountName": " "},
		{"ConsumedUnit": "tokens?"},
	} {
		problems, err := Check(strings.NewReader(mutate(t, change)))
		if err != nil || !slices.ContainsFunc(problems, func(p Problem) bool { return p.Should }) {
			t.Errorf("%v: no advice: %v %v", change, problems, err)
		}
	}
}

func TestWhatIsNoTable(t *testing.T) {
	good := written(t, lines()[:1])
	head, row, _ := strings.Cut(good, "\n")
	for name, text := range map[string]string{"empty": "", "a cell too many": head + "\n" + strings.TrimSpace(row) + ",x\n", "a cell too few": head + "\n1\n"} {
		if problems, err := Check(strings.NewReader(text)); err != nil || len(problems) == 0 {
			t.Errorf("%s: %v %v", name, problems, err)
		}
	}
	if problems, err := Check(strings.NewReader("\ufeff" + good)); err != nil || len(problems) > 0 {
		t.Errorf("with a byte order mark: %v %v", problems, err)
	}
	if _, err := Check(strings.NewReader("\"a\n")); err == nil {
		t.Error("an open quote is taken")
	}
	two := strings.Replace(good, "OpenAI API", "Odd API", 1) + strings.Replace(row, "OpenAI API", "Odd API", 1)
	two = strings.Replace(two, "AI and Machine Learning,Odd API,OpenAI,Generative AI", "Security,Odd API,OpenAI,Other (Security)", 1)
	problems, err := Check(strings.NewReader(two))
	if err != nil || len(problems) != 1 || problems[0].Column != "ServiceName" || problems[0].Line != 3 {
		t.Errorf("a service of two categories: %v %v", problems, err)
	}
}

func TestAmountsAreExact(t *testing.T) {
	for n, want := range map[winnow.NanoUSD]string{
		0: "0", 1: "0.000000001", 1_000_000_000: "1", 1_500_000_000: "1.5", 31_234_567: "0.031234567", -2: "-0.000000002", 9e18: "9000000000",
	} {
		if got := Dollars(n); got != want {
			t.Errorf("%d nano-dollars are written %s, want %s", int64(n), got, want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	var b bytes.Buffer
	_ = Write(&b, november, lines(), defused)
	f.Add(b.Bytes())
	for _, s := range []string{"", "\ufeff", "BilledCost\n1E999\n", "Tags\n\"{\"\"a\"\":{}}\"\n", "x_\n", "a,a\n1\n", "EffectiveCost,ChargeCategory\n,Credit\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		problems, err := Check(bytes.NewReader(body))
		if err == nil && len(problems) == 0 && !bytes.Contains(body, []byte("ServiceProviderName")) {
			t.Errorf("nothing is wrong with %q", body)
		}
	})
}
