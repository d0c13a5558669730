package page

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// hostile are names that somebody made up to break the page.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</style><script>x</script>`, `</title></svg><svg onload=alert(1)>`,
	`{{.Paid}}`, `javascript:alert(1)`, "right\u202eto\u2066left\x1b[2J", strings.Repeat("long ", 60), `' onmouseover='alert(1)`, "&lt;b&gt;", " ",
}

func money(n winnow.NanoUSD) *winnow.NanoUSD { return new(n) }

// sample is a month that could have been.
func sample() *Data {
	from := time.Date(2026, 10, 24, 0, 0, 0, 0, time.UTC)
	d := &Data{
		Version: "1.6.0", Made: from.AddDate(0, 0, 30).Add(9 * time.Hour), From: from, To: from.AddDate(0, 0, 30),
		Alerts: 1_482_311, Asked: 61_204, Saved: money(8_913_440_000_000), SavedHow: "at $0.006 an alert",
		Uncertain: 2_310_000_000, Unpriced: 3, Series: []string{"enrich", "correlate", "classify", "vote/network", "vote/identity", "replay:classify"},
	}
	for i := range 30 {
		weekend := 1 - 0.45*float64(max(0, int(from.AddDate(0, 0, i).Weekday()+1)%7-5+1)/2)
		at := func(base float64) winnow.NanoUSD {
			return winnow.NanoUSD(1e9 * base * weekend * (1 + 0.3*math.Sin(float64(i)*0.9) + 0.02*float64(i)))
		}
		day := Day{from.AddDate(0, 0, i), []winnow.NanoUSD{at(3.1), at(2.2), at(4.6), at(1.1), at(0.9), 0}}
		if i == 17 {
			day.Parts[5] = 6_100_000_000
		}
		d.Days = append(d.Days, day)
		d.Paid += sum(day.Parts)
	}
	month := &Month{At: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Budget: money(500_000_000_000)}
	for _, day := range d.Days[8:] {
		month.Spent = append(month.Spent, sum(day.Parts))
	}
	so := sum(month.Spent)
	month.Forecast = &Forecast{so + so/4, so + so/3, so + so/2}
	d.Month = month
	share := func(f float64) winnow.NanoUSD { return winnow.NanoUSD(float64(d.Paid) * f) }
	d.Splits = []Split{
		{Name: "search", Lines: []Line{
			{"Impossible Travel", 14_022, share(0.31)}, {"Port Scan", 9_733, share(0.19)}, {"Password Spray", 8_100, share(0.14)},
			{hostile[0], 4_900, share(0.1)}, {hostile[1], 3_700, share(0.08)}, {"DNS to a New Domain", 3_100, share(0.06)},
			{"PowerShell with Encoded Command", 2_000, share(0.05)}, {"Service Account Sign-in", 1_400, share(0.03)}, {"Tor", 900, share(0.02)}, {"Rare", 300, share(0.02)},
		}},
		{Name: "rule", Note: "what samples of drops cost", Lines: []Line{{"vpn-egress-travel", 260, share(0.02)}, {"scanner-net", 110, share(0.01)}}},
		{Name: "team", Lines: []Line{{"identity", 22_000, share(0.5)}, {"network", 18_000, share(0.3)}, {"unassigned", 9_000, share(0.2)}}},
		{Name: "model", Lines: []Line{{"gpt-5.4-mini", 0, share(0.62)}, {"gpt-5.4", 0, share(0.3)}, {"claude-haiku-4-5", 0, share(0.08)}}},
	}
	d.Teams = []Team{
		{"identity", "CC-1200", 402_311, share(0.5), false}, {"network", "CC-1310", 800_000, share(0.3), false}, {"unassigned", "", 280_000, share(0.15), false},
		{"samples of drops", "", 0, share(0.03), true}, {"replays", "", 0, d.Paid - share(0.5) - share(0.3) - share(0.15) - share(0.03), true},
	}
	d.Rules = []Saving{
		{"vpn-egress-travel", 611_200, money(3_667_200_000_000), share(0.02), new(3_667_200_000_000 - share(0.02))},
		{"scanner-net", 402_900, money(2_417_400_000_000), share(0.01), new(2_417_400_000_000 - share(0.01))},
		{"verdict cache", 310_000, money(1_860_000_000_000), 0, money(1_860_000_000_000)},
		{hostile[2], 12, money(72_000_000), 90_000_000, money(-18_000_000)}, {"no-price", 4, nil, 0, nil},
	}
	d.PeopleHow = "A person's look is taken as 10 minutes at $60.00 an hour."
	d.Detections = []Detection{
		{
			Name: "Port Scan", Alerts: 9_733, Paid: share(0.19), People: 2_120_000_000_000, Noise: 2_170_000_000_000, Judged: 212, False: 209,
			Low: 0.959, High: 0.997, True: 3, PerTrue: money(735_000_000_000), Known: true, Share: 0.986,
		},
		{
			Name: hostile[3], Alerts: 14_022, Paid: share(0.31), People: 3_400_000_000_000, Noise: 1_900_000_000_000, Judged: 340, False: 255,
			Low: 0.7, High: 0.795, True: 85, PerTrue: money(41_600_000_000), Known: true, Share: 0.75,
		},
		{Name: "Password Spray", Alerts: 8_100, Paid: share(0.14), Noise: share(0.1), Judged: 3, False: 3, Known: true, Believed: true, Share: 0.81, True: 12},
		{Name: "Tor", Alerts: 900, Paid: share(0.02)},
	}
	d.Funnel = []Step{
		{"closed by an allow-list rule", 1_020_000, 0.688}, {"closed from the verdict cache", 310_000, 0.209}, {"closed by a model", 96_000, 0.065},
		{"joined an open case", 40_000, 0.027}, {"waits in the review queue", 12_311, 0.0083}, {"escalated, ready to page", 4_000, 0.0027},
	}
	d.Would = []Step{{"closed by a model", 12, 0.4}, {"escalated, ready to page", 18, 0.6}}
	d.Closers = []Closer{
		{Name: "all allow-list rules", Closed: 1_020_000, Judged: 3_811, Misses: 1, Outside: 1, Low: 0.0000066, High: 0.00146},
		{Name: "vpn-egress-travel", Closed: 611_200, Judged: 2_440, Misses: 0, Low: 0, High: 0.00151},
		{Name: "scanner-net", Closed: 402_900, Judged: 1_371, Misses: 1, Outside: 1, Low: 0.0000185, High: 0.00406},
		{Name: hostile[6], Closed: 12},
	}
	return d
}

func written(t testing.TB, d *Data) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestThePageIsAsItWas(t *testing.T) {
	for name, d := range map[string]*Data{"month.html": sample(), "empty.html": {To: time.Unix(0, 0).AddDate(0, 0, 1), From: time.Unix(0, 0)}} {
		path, got := filepath.Join("testdata", name), written(t, d)
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
			t.Errorf("%s differs (-want +got), see -update:\n%s", name, diff)
		}
	}
}

var (
	tags       = regexp.MustCompile(`<\s*/?\s*([a-zA-Z!][a-zA-Z0-9]*)`)
	attributes = regexp.MustCompile(`\s([a-zA-Z-]+)\s*=`)
	elements   = regexp.MustCompile(`<[a-zA-Z][^>]*>`)
)

// held checks what no page may hold: scripts, handlers, anything that is fetched from elsewhere.
func held(t interface {
	Helper()
	Errorf(format string, args ...any)
}, html string,
) {
	t.Helper()
	allowed := map[string]bool{}
	for tag := range strings.FieldsSeq(`! !doctype html head meta title style body header main footer section h1 h2 h3 p strong dl dt dd div span figure
		svg rect g line text polygon polyline circle desc table caption thead tbody tfoot tr th td small bdi`) {
		allowed[tag] = true
	}
	body := regexp.MustCompile(`(?s)<style>.*?</style>`).ReplaceAllString(html, "")
	for _, m := range tags.FindAllStringSubmatch(body, -1) {
		if !allowed[strings.ToLower(m[1])] {
			t.Errorf("the page has an element %q", m[1])
		}
	}
	for _, element := range elements.FindAllString(body, -1) {
		for _, m := range attributes.FindAllStringSubmatch(element, -1) {
			if n := strings.ToLower(m[1]); strings.HasPrefix(n, "on") || n == "href" || n == "src" || n == "style" || n == "action" {
				t.Errorf("the page has an attribute %s: %s", n, element)
			}
		}
	}
	for _, no := range []string{"url(", "@import", "://"} {
		if strings.Contains(html, no) {
			t.Errorf("the page holds %q: it may fetch something", no)
		}
	}
}

func TestNothingComesFromElsewhere(t *testing.T) { held(t, written(t, sample())) }

// TestNamesStayText: whatever alerts and rules are called, the page has the same elements.
func TestNamesStayText(t *testing.T) {
	shape := func(n string) (html, elements string) {
		d := sample()
		for i := range d.Splits {
			for j := range d.Splits[i].Lines {
				d.Splits[i].Lines[j].Name = n
			}
		}
		for i := range d.Series {
			d.Series[i] = n
		}
		for i := range d.Rules {
			d.Rules[i].Name = n
		}
		for i := range d.Detections {
			d.Detections[i].Name = n
		}
		for i := range d.Closers {
			d.Closers[i].Name = n
		}
		for i := range d.Teams {
			d.Teams[i].Name, d.Teams[i].CostCentre = n, n
		}
		d.Version = n
		html = written(t, d)
		return html, strings.Join(tags.FindAllString(html, -1), " ")
	}
	_, want := shape("a name")
	for _, n := range hostile {
		html, got := shape(n)
		if got != want {
			t.Errorf("%q changes the page's elements", n)
		}
		if strings.ContainsAny(html, "\u202e\u2066\x1b") {
			t.Errorf("%q turns text around", n)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.String().Draw(rt, "name")
		var b bytes.Buffer
		d := sample()
		d.Detections[0].Name, d.Series[0], d.Splits[0].Lines[0].Name = n, n, n
		if err := Write(&b, d); err != nil {
			rt.Fatal(err)
		}
		held(rt, b.String())
	})
}

// TestWhateverIsBookedIsDrawn: no amount makes a number that is none, and no chart leaves its frame.
func TestWhateverIsBookedIsDrawn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Map(rapid.Int64Range(0, 1e15), func(n int64) winnow.NanoUSD { return winnow.NanoUSD(n) })
		d := &Data{From: time.Unix(0, 0).UTC(), Series: rapid.SliceOfN(rapid.StringN(1, 5, 20), 0, 12).Draw(t, "series")}
		days, few := rapid.IntRange(0, 500).Draw(t, "days"), rapid.SliceOfN(amount, 13, 13).Draw(t, "amounts")
		d.To = d.From.AddDate(0, 0, days)
		for i := range days {
			day := Day{At: d.From.AddDate(0, 0, i)}
			for j := range d.Series {
				day.Parts = append(day.Parts, few[(i*7+j)%len(few)])
			}
			d.Days = append(d.Days, day)
		}
		d.Month = &Month{At: d.From, Spent: rapid.SliceOfN(amount, 0, 31).Draw(t, "month")}
		if rapid.Bool().Draw(t, "budget") {
			d.Month.Budget = money(amount.Draw(t, "limit"))
		}
		if rapid.Bool().Draw(t, "forecast") {
			d.Month.Forecast = &Forecast{amount.Draw(t, "low"), amount.Draw(t, "middle"), amount.Draw(t, "high")}
		}
		var b bytes.Buffer
		if err := Write(&b, d); err != nil {
			t.Fatal(err)
		}
		if html := b.String(); strings.Contains(html, "NaN") || strings.Contains(html, "Inf") {
			t.Fatal("the page holds what is no number")
		}
		for _, m := range regexp.MustCompile(`<rect class="[^"]*" x="([^"]+)" y="([^"]+)" width="([^"]+)" height="([^"]+)">`).FindAllStringSubmatch(b.String(), -1) {
			var v [4]float64
			for i := range v {
				v[i], _ = strconv.ParseFloat(m[i+1], 64)
			}
			if v[0] < leftEdge-0.01 || v[0]+v[2] > chartWidth-rightEdge+0.01 || v[1] < topEdge-0.5 || v[1]+v[3] > chartHeight-bottomEdge+0.5 {
				t.Fatalf("a column leaves its chart: %s", m[0])
			}
		}
	})
}

// TestTheChartIsItsTable: what is drawn adds up to what was paid, also when days or stages are put together.
func TestTheChartIsItsTable(t *testing.T) {
	for _, n := range []int{1, 30, 120, 500} {
		d := sample()
		d.Days, d.Series = nil, nil
		var want winnow.NanoUSD
		for i := range 9 {
			d.Series = append(d.Series, fmt.Sprint("stage ", i))
		}
		for i := range n {
			day := Day{At: d.From.AddDate(0, 0, i), Parts: make([]winnow.NanoUSD, 9)}
			for j := range day.Parts {
				day.Parts[j] = winnow.NanoUSD(i*j + 1)
			}
			want += sum(day.Parts)
			d.Days = append(d.Days, day)
		}
		f := daily(d)
		if got := f.Table.Foot[len(f.Table.Foot)-1]; got != usd(want) || len(f.Table.Foot) != maxSeries+3 || len(f.Legend) != maxSeries+1 {
			t.Errorf("%d days: the table adds up to %s of %s in %d columns", n, got, usd(want), len(f.Table.Foot))
		}
		if rows := len(f.Table.Rows); rows > 92 {
			t.Errorf("%d days make %d columns", n, rows)
		}
	}
}

// TestColoursCanBeRead: WCAG 2 AA, in each style: 4.5 for text, 3 for what is drawn.
func TestColoursCanBeRead(t *testing.T) {
	styles := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(styleText, -1)
	if len(styles) != 3 {
		t.Fatalf("%d styles, want light, dark and print", len(styles))
	}
	for i, style := range []string{"light", "dark", "print"} {
		colours := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([a-z0-9-]+): #([0-9a-f]{6})`).FindAllStringSubmatch(styles[i][1], -1) {
			colours[m[1]] = luminance(t, m[2])
		}
		for _, on := range []string{"page", "panel"} {
			for _, ink := range []string{"ink", "muted"} {
				atLeast(t, style, colours, ink, on, 4.5)
			}
			for _, s := range []string{"s1", "s2", "s3", "s4", "s5", "s6", "rest"} {
				atLeast(t, style, colours, s, on, 3)
			}
		}
		atLeast(t, style, colours, "warn-ink", "warn", 4.5)
		atLeast(t, style, colours, "s1", "page", 4.5) // the name on top
		atLeast(t, style, colours, "s6", "page", 4.5) // the budget's label
	}
}

func atLeast(t *testing.T, style string, colours map[string]float64, ink, on string, want float64) {
	t.Helper()
	a, b := colours[ink], colours[on]
	if got := (max(a, b) + 0.05) / (min(a, b) + 0.05); got < want {
		t.Errorf("%s: %s on %s has a contrast of %.2f, want %.1f", style, ink, on, got, want)
	}
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	part := func(shift int) float64 {
		c := float64(n>>shift&255) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}

func TestAmountsAreReadable(t *testing.T) {
	for n, want := range map[winnow.NanoUSD]string{
		0: "$0", 1: "$0.000000001", 4_210_000: "$0.0042", 12_340_000_000: "$12.34", 1_234_567_890_000: "$1,234.57",
		8_913_440_000_000_000: "$8,913,440", -18_000_000: "-$0.018", 99_400_000: "$0.099", 99_600_000: "$0.10", 999_999_999: "$1.00",
	} {
		if got := usd(n); got != want {
			t.Errorf("%d is %s, want %s", int64(n), got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", -1_234_567: "-1,234,567"} {
		if got := count(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
	for p, want := range map[float64]string{0: "0 %", 0.0004: "0.04 %", 0.123: "12.3 %", 1: "100 %", 0.9999: "100 %"} {
		if got := percent(p); got != want {
			t.Errorf("%v is %s, want %s", p, got, want)
		}
	}
}
