package knowledge

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
)

// ReputationTool is the name of the tool that asks a service outside about public addresses.
const ReputationTool = "reputation"

// ReputationOptions say whom to ask, and how often.
type ReputationOptions struct {
	URL      string                                           // of the service, like https://api.example; https, or http on this machine
	Key      func(ctx context.Context) (winnow.Secret, error) // asked for each request
	PerDay   int                                              // requests that go out in a day
	Internal []netip.Prefix                                   // addresses of ours beside the private ones
	Roots    *x509.CertPool                                   // nil: the system's
	Now      func() time.Time                                 // required

	// Tell is called before each request, and what cannot be told is not sent. Required.
	Tell func(Lookup) error
}

// Lookup is a request that is about to leave: what it is of, and nothing of what it says.
type Lookup struct {
	AlertID, Search string
	Field           string // whose address it holds
	Bytes           int    // of the request's address
	SHA256          string // of the same, "sha256:" and hex
}

const (
	reputationAge     = 24 * time.Hour // how long an answer holds
	reputationEntries = 10_000
	reputationBody    = 64 << 10
	reputationTimeout = 10 * time.Second
)

// Reputation is a tool that asks a service of AbuseIPDB's form about one address of the alert. Only
// public unicast addresses leave. Safe for concurrent use.
type Reputation struct {
	o     ReputationOptions
	check string
	http  *http.Client
	rate  *rate.Limiter

	mu    sync.Mutex
	known map[netip.Addr]judged
}

type judged struct {
	of    Judgement
	until time.Time
}

// Judgement is what the service says of an address. Others report there: texts are theirs.
type Judgement struct {
	Address    string `json:"address"`
	Score      int    `json:"abuse_confidence"` // 0 to 100
	Reports    int64  `json:"reports_90d"`
	Country    string `json:"country,omitempty"`
	Usage      string `json:"usage,omitempty"`
	Provider   string `json:"provider,omitempty"`
	LastReport string `json:"last_report,omitempty"`
}

// NewReputation checks the options; it sends nothing yet.
func NewReputation(o ReputationOptions) (*Reputation, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("url: want an address like https://api.example")
	}
	if local, _ := netip.ParseAddr(u.Hostname()); u.Scheme != "https" && (u.Scheme != "http" || !local.IsLoopback()) {
		return nil, errors.New("url: want https: a key goes with each request")
	}
	if o.Key == nil || o.Now == nil || o.Tell == nil || o.PerDay < 1 {
		return nil, errors.New("a key, a clock, somebody to tell and a number of requests a day are needed")
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
		TLSHandshakeTimeout: reputationTimeout, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: reputationBody,
	}
	// A redirect would carry the key to wherever it points.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Reputation{
		o: o, check: strings.TrimSuffix(u.String(), "/") + "/api/v2/check", known: map[netip.Addr]judged{},
		http: &http.Client{Transport: transport, CheckRedirect: stay, Timeout: reputationTimeout},
		// Half a day's requests may go at once; never more than a day's in 24 hours, or one.
		rate: rate.NewLimiter(rate.Limit(float64(o.PerDay-o.PerDay/2)/(24*60*60)), max(1, o.PerDay/2)),
	}, nil
}

// Name is the tool's name.
func (*Reputation) Name() string { return ReputationTool }

// Description says what it knows.
func (*Reputation) Description() string {
	return "How often the public address in a field was reported for abuse in 90 days, by a service outside; nothing of private addresses."
}

// Parameters takes the name of one field.
func (*Reputation) Parameters() json.RawMessage { return fieldParameters }

// Run looks the field's address up. Errors hold no value of the alert and no word of the service.
func (r *Reputation) Run(ctx context.Context, c *llm.Case, args json.RawMessage) (llm.ToolResult, error) {
	field, err := fieldOf(c, args)
	if err != nil {
		return llm.ToolResult{}, err
	}
	values := c.Alert.Fields[field]
	if len(values) != 1 {
		return llm.ToolResult{}, fmt.Errorf("field %.60q has %d values: one is looked up", field, len(values))
	}
	addr, err := r.public(values[0])
	if err != nil {
		return llm.ToolResult{}, fmt.Errorf("field %.60q %w", field, err)
	}
	found, err := r.judge(ctx, addr, Lookup{AlertID: c.Alert.ID, Search: c.Alert.SearchName, Field: field})
	if err != nil {
		return llm.ToolResult{}, err
	}
	return result(found, winnow.ControlAttacker)
}

// special are networks that are nobody's on the internet, or stand for other addresses: those may be ours.
var special = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4")

// onlyGlobal6 is the one part of IPv6 that is given out; the rest below lies in it and is not.
var (
	onlyGlobal6 = netip.MustParsePrefix("2000::/3")
	special6    = prefixes("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

// public reads an address that may leave: written as an address, global, unicast and not ours.
func (r *Reputation) public(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(strings.TrimSpace(text))
	if err != nil || a.Zone() != "" {
		return a, errors.New("is no address")
	}
	a = a.Unmap()
	local := !a.IsGlobalUnicast() || a.IsPrivate()
	if a.Is6() {
		local = local || !onlyGlobal6.Contains(a) || within(a, special6)
	}
	if local || within(a, special) || within(a, r.o.Internal) {
		return a, errors.New("is not a public address: nobody outside is asked about it")
	}
	return a, nil
}

func within(a netip.Addr, all []netip.Prefix) bool {
	for _, p := range all {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// judge asks, unless the answer of the last day is known.
func (r *Reputation) judge(ctx context.Context, a netip.Addr, of Lookup) (Judgement, error) {
	now := r.o.Now()
	r.mu.Lock()
	k, ok := r.known[a]
	r.mu.Unlock()
	if ok && now.Before(k.until) {
		return k.of, nil
	}
	key, err := r.o.Key(ctx)
	if err != nil || key.Reveal() == "" {
		return Judgement{}, errors.New("there is no key for the service")
	}
	if !r.rate.AllowN(now, 1) {
		return Judgement{}, errors.New("the requests of the day are used up")
	}
	found, err := r.ask(ctx, a, key, of)
	if err == nil {
		r.keep(a, judged{found, now.Add(reputationAge)}, now)
	}
	return found, err
}

// keep remembers an answer. When there are too many, the old ones go, or else any.
func (r *Reputation) keep(a netip.Addr, k judged, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= reputationEntries {
		for other, old := range r.known {
			if !now.Before(old.until) {
				delete(r.known, other)
			}
		}
	}
	for other := range r.known {
		if len(r.known) < reputationEntries {
			break
		}
		delete(r.known, other)
	}
	r.known[a] = k
}

func (r *Reputation) ask(ctx context.Context, a netip.Addr, key winnow.Secret, of Lookup) (Judgement, error) {
	query := url.Values{"ipAddress": {a.String()}, "maxAgeInDays": {"90"}}
	target := r.check + "?" + query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return Judgement{}, errors.New("the service cannot be asked")
	}
	sum := sha256.Sum256([]byte(target))
	of.Bytes, of.SHA256 = len(target), "sha256:"+hex.EncodeToString(sum[:])
	if err := r.o.Tell(of); err != nil {
		return Judgement{}, errors.New("what is asked outside cannot be told: nothing is sent")
	}
	req.Header.Set("Key", key.Reveal())
	req.Header.Set("Accept", "application/json")
	resp, err := r.http.Do(req)
	if err != nil {
		return Judgement{}, errors.New("the service cannot be reached")
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return Judgement{}, fmt.Errorf("the service answers with status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, reputationBody+1))
	if err != nil || len(body) > reputationBody {
		return Judgement{}, errors.New("the answer of the service is cut off or too large")
	}
	return readJudgement(a, body)
}

// readJudgement reads an answer, which must be about the address that was asked about.
func readJudgement(a netip.Addr, body []byte) (Judgement, error) {
	var answer struct {
		Data struct {
			IPAddress            string `json:"ipAddress"`
			AbuseConfidenceScore *int   `json:"abuseConfidenceScore"`
			TotalReports         int64  `json:"totalReports"`
			CountryCode          string `json:"countryCode"`
			UsageType            string `json:"usageType"`
			ISP                  string `json:"isp"`
			LastReportedAt       string `json:"lastReportedAt"`
		} `json:"data"`
	}
	bad := errors.New("the answer of the service is not the one expected")
	if json.Unmarshal(body, &answer) != nil {
		return Judgement{}, bad
	}
	d := answer.Data
	if of, err := netip.ParseAddr(d.IPAddress); d.IPAddress != "" && (err != nil || of.Unmap() != a) {
		return Judgement{}, bad
	}
	if d.AbuseConfidenceScore == nil || *d.AbuseConfidenceScore < 0 || *d.AbuseConfidenceScore > 100 || d.TotalReports < 0 {
		return Judgement{}, bad
	}
	return Judgement{
		Address: a.String(), Score: *d.AbuseConfidenceScore, Reports: d.TotalReports, Country: short(d.CountryCode), Usage: short(d.UsageType),
		Provider: short(d.ISP), LastReport: short(d.LastReportedAt),
	}, nil
}
