package conf

import (
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
)

// Settings is winnow.conf as the program uses it. README/winnow.conf.spec says what each key
// means. It is not changed once read, so it is safe for concurrent use.
type Settings struct {
	Gate      Gate
	Policy    Policy
	Cache     Cache
	Content   Content
	Pipeline  Pipeline
	Budget    Budget
	Redact    Redact
	Tools     Tools
	Stages    map[string]Stage // enrich, correlate, classify
	Agents    map[string]Agent // network, identity, threat_intel
	Models    map[string]Model
	Teams     map[string]Team
	Modes     map[string]Mode // profiles that `winnow mode` switches on
	Sinks     []Sink          // in the order of the file
	Review    Review
	Queue     Queue
	Worker    Worker
	Splunk    Splunk
	Reconcile Reconcile
	Retention Retention
	Report    Report

	searches map[string]Search
	redacted map[string]RedactSearch

	searchTools map[string]SearchTool
	reputation  *Reputation // nil: none
	actions     map[string]Action
}

// Gate is [gate]: what the alert action may do.
type Gate struct {
	Run          winnow.Run
	Place        winnow.Place
	Off          bool          // pass everything on; see also state.Deployment.GateOff
	WorkerGrace  time.Duration // a heartbeat older than this is a dead worker
	StartWorker  bool
	ListShrink   float64       // share of a list that may vanish at once
	Canary       float64       // share of drops that are triaged all the same
	ShadowSample float64       // share of groups that language models are asked about in shadow
	Deadline     time.Duration // the action's own, below maxtime of alert_actions.conf
	MinFree      int64         // bytes that must stay free on the spool's disk
	LargeResults int64         // bytes of results above which they are stored before they are decided
}

// Policy is [policy]: the numbers that closes and escalations are held against.
type Policy struct {
	Confidence         int
	TrustUncalibrated  bool
	RequireFact        bool
	AllowProse         bool // models may close alerts in which others wrote sentences
	OfflineMaxSeverity winnow.Severity
	MaxSeverity        winnow.Severity // ceiling for every closer but rules, which have their own
	HighRiskWords      []string
	HighRiskAssets     []string
	HighRiskTechniques []string
	EscalateConfidence int
	EscalateSeverity   winnow.Severity // unknown escalates none for its severity alone
}

// Cache is [cache]: how long verdicts and open cases count.
type Cache struct {
	TTL      time.Duration // of a verdict
	ModelTTL time.Duration // of one that a language model came to, if that is less
	Size     int           // entries
	Block    time.Duration // an open escalation blocks cached closes of its pair
}

// Content is [content]: which apps hold the customer's rules and lists.
type Content struct {
	Apps             []string
	RequireSignature Sign
	AllowedSigners   string // who may approve rules; "" is local/allowed_signers of the app
	RevokedKeys      string // "" for none
}

// Sign says which rules need an approval beside those that may drop high or critical alerts.
type Sign string

// The values.
const (
	SignOff     Sign = "off"     // none
	SignEnforce Sign = "enforce" // every enforced rule
)

// Pipeline is [pipeline]: when the panel votes, and the price of what was not asked.
type Pipeline struct {
	Model       string // the model the bill is priced with
	Coordinator string // name of a [model:NAME]
	Combine     bool   // correlate and classify are one call of a language model
	PanelAlways bool
	PanelLow    int // the disputed band of confidence, bounds included
	PanelHigh   int
}

// Tools is [tools]: what models may look up while they think.
type Tools struct {
	Enabled   []string // names of tools; empty: none
	MaxSteps  int      // questions to tools before a model must answer; 0: none
	MaxTokens int64    // of all that the tools tell for one answer
}

// Budget is [budget]: what calls to models may cost. nil: no limit.
type Budget struct {
	Day   *winnow.NanoUSD // from midnight to midnight, UTC
	Month *winnow.NanoUSD // a month of the calendar, UTC

	ReserveCritical float64 // share of every limit that is kept for alerts of severity critical
	ReserveHigh     float64 // and for high and unknown
	SearchShare     float64 // most of what is left of Day that one search gets

	WhenSpent WhenSpent
	Smaller   string // with when_spent = smaller: the [model:NAME] that is asked in place of a dearer one

	WarnAt  []float64 // shares of a limit at which people are told, rising
	Awake   Hours     // when people are told that a limit will not last
	AwakeTz *time.Location
}

// WhenSpent says what is done about an alert for which no money is left. Nothing is closed by any of it.
type WhenSpent string

// The values.
const (
	SpentOffline WhenSpent = "offline" // the offline analysts judge it
	SpentSmaller WhenSpent = "smaller" // a smaller model is asked, then the offline analysts
	SpentGroup   WhenSpent = "group"   // the offline analysts judge it, and what waits for people is one finding
)

// Hours are hours of every day: from one minute of the day until before another, over midnight where that is
// earlier.
type Hours [2]int

// Contain reports whether a time of day is within the hours.
func (h Hours) Contain(t time.Time) bool {
	now := t.Hour()*60 + t.Minute()
	if h[0] < h[1] {
		return now >= h[0] && now < h[1]
	}
	return now >= h[0] || now < h[1]
}

// Team is [team:NAME]: what calls for the alerts of a team may cost. nil: no limit.
type Team struct {
	BudgetDay   *winnow.NanoUSD
	BudgetMonth *winnow.NanoUSD
}

// Stage is [stage:NAME]: who works on it, and the size of a call that was not made.
type Stage struct {
	Model        string // name of a [model:NAME]
	InputTokens  int64
	OutputTokens int64
}

// Agent is [agent:NAME]: one analyst of the panel.
type Agent struct {
	Brain  string  // name of a [model:NAME]
	Weight float64 // 0 leaves the analyst out
}

// SinkType says what a sink does with an outcome.
type SinkType string

// The sink types.
const (
	SinkNotable SinkType = "notable"        // writes notable events, with place = owner
	SinkUpdate  SinkType = "notable_update" // updates ES's notable events, with place = beside
	SinkFile    SinkType = "file"           // appends winnow's own events to a file
	SinkFinding SinkType = "finding"        // makes findings of Enterprise Security 8, with place = owner

	SinkHEC       SinkType = "hec"       // sends them to an HTTP Event Collector
	SinkReceivers SinkType = "receivers" // sends them to splunkd's receivers/simple
	SinkStream    SinkType = "stream"    // writes them to splunkd over the modular input's own output
	SinkWebhook   SinkType = "webhook"   // posts them, signed, to a server of yours
	SinkSCS       SinkType = "scs"       // sends them to a tenant of Splunk Cloud Services

	SinkResponses SinkType = "responses" // tells the Common Action Model what came of the alert action
	SinkRisk      SinkType = "risk"      // adds risk to users and systems

	SinkPagerDuty SinkType = "pagerduty" // pages people through PagerDuty
	SinkSlack     SinkType = "slack"     // asks people in a channel of Slack
	SinkTicket    SinkType = "ticket"    // opens a ticket, see Template
)

// ES says which Enterprise Security a sink speaks with.
type ES string

// The values.
const (
	ESAuto ES = "auto" // what is there
	ES7    ES = "7"    // notable_update, up to 7
	ES8    ES = "8"    // findings and investigations
)

// Sink is [sink:NAME]: somewhere that outcomes are written to.
type Sink struct {
	Name     string
	Type     SinkType
	Path     string // file: the file; notable: Splunk's spool folder
	Index    string // of the events; "" is the receiver's own default
	Disabled bool

	ES     ES            // notable_update: which interface; "" is auto
	App    string        // notable_update, finding: the app that has findings; "" is auto
	Within time.Duration // notable_update, finding: how long an escalation is tried before it goes another way; 0 is 1 h
	Scores Scores        // finding, risk: risk scores by severity

	ReviewShare float64 // risk: the part of the score that what waits for a person adds

	Costs        bool     // it is told of every attempt of a call to a model too
	States       []string // the outcomes that are told as events, empty: all; or that add risk, empty: escalated
	URL          string   // hec: the server; webhook: the address; scs: a host in place of the service's own
	Key          string   // where the token or secret is: env:NAME, file:PATH or password:REALM/NAME
	Tenant       string   // scs
	ClientID     string   // scs: the key is this client's secret, not a token
	Verify       Verify
	VerifyWithin time.Duration // what is not confirmed by then is sent again
	Timeout      time.Duration // of one request
	CAFile       string
	Proxy        string // "" for none, "environment" for the usual variables
	AllowPrivate bool   // webhook, ticket: the address may be one of an internal network

	Next      string        // pages: the sink that is paged when nobody has answered in time
	AckWithin time.Duration // pages: how long that is
	PerHour   int           // pages: what is above waits, unless it is critical; 0: any number
	Channel   string        // slack: id of the channel
	Template  Template      // ticket: whose interface it is
	Project   string        // ticket: where it is opened: Jira's project key, SOAR's label
	User      string        // ticket: with the key as password; "" for a bearer token
	SignKey   string        // ticket: where the secret is that requests are signed with; "": they are not
}

// Template says whose interface a ticket is opened over.
type Template string

// The templates.
const (
	TemplateSOAR       Template = "soar"       // a container of Splunk SOAR
	TemplateJira       Template = "jira"       // an issue
	TemplateServiceNow Template = "servicenow" // a row of its table "incident"
	TemplateTheHive    Template = "thehive"    // an alert
)

// Review is [review]: what people decide.
type Review struct {
	FactTTL time.Duration // how long a person's benign verdict counts as a fact

	Sample      float64 // share of the closes of every closer that a person judges blind
	SampleDaily int     // at most so many closes of one closer a day of UTC

	Listen    string   // address of the page; "" for none. One that is not loopback needs CertFile and KeyFile
	CertFile  string   // PEM; "" serves without TLS
	KeyFile   string   // PEM
	Viewers   []string // Splunk roles whose people may see the page
	Analysts  []string // and decide about alerts
	Approvers []string // and approve response actions

	ActionTTL    time.Duration // how long a response action waits for people before its alert is escalated
	TwoApprovers []string      // kinds of response actions that two people must approve
	NeverAct     []string      // networks, addresses and accounts that none may touch
}

// Queue is [queue]: how failed work is tried again.
type Queue struct {
	RetryMin time.Duration // wait after the first failure; doubles each time
	RetryMax time.Duration

	WaitMax      time.Duration // an alert whose models cannot be asked is escalated after this long
	WaitMaxHigh  time.Duration // the same for severity high, critical and unknown
	RereadAfter  time.Duration // what waited longer is backlog: its notable is read again before a model is asked
	BacklogShare float64       // most of the worker's concurrency that backlog gets

	VisibleWithinCritical      time.Duration // an alert that waits longer is made visible, by severity
	VisibleWithinHigh          time.Duration // also for severity unknown
	VisibleWithinMedium        time.Duration
	VisibleWithinLow           time.Duration
	VisibleWithinInformational time.Duration
}

// Worker is [worker].
type Worker struct {
	Poll        time.Duration
	Concurrency int
	MaxAttempts int
	Lease       time.Duration
	Drain       time.Duration // from being told to end to the end
	Memory      int64         // bytes above which memory is collected harder; 0: no limit
	Listen      string        // loopback address of health and metrics; "" is a socket in the state folder
	Log         LogFormat
}

// LogFormat is how the worker writes its log.
type LogFormat string

// The formats.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// Splunk is [splunk]: how the worker reaches splunkd.
type Splunk struct {
	URI       string
	TokenFile string
	CAFile    string
	App       string // name space of REST calls
	Proxy     string // "" for none, "environment" for the usual variables
}

// Reconcile is [reconcile]: how what Splunk fired is compared with what is here.
type Reconcile struct {
	Enabled  bool
	Every    time.Duration
	Lag      time.Duration // how old a firing must be before it can be missing
	LookBack time.Duration // the most that is compared at once
	Hosts    []string      // under which this search head logs; empty: ask splunkd
	Labels   bool          // what people say in Splunk is taken over
}

// Retention is [retention]: how long settled things are kept.
type Retention struct {
	Records    time.Duration // settled alerts in the ledger
	Dropped    time.Duration // fields of alerts that a rule closed
	Size       int64         // of the ledger, in bytes; 0: any
	Quarantine time.Duration // damaged spool records
	Audit      time.Duration // entries of the audit chain
}

// Report is [report]: what is reported without being asked.
type Report struct {
	Weekly []string // names of the sinks that get the bill of every week by team; empty: none
}

// Search is what holds for the alerts of one saved search.
type Search struct {
	Run      winnow.Run // the more cautious of [gate] and [search:NAME]
	Place    winnow.Place
	Severity winnow.Severity // base severity, unknown when the stanza says nothing
	Raw      bool            // it returns raw events: every field is attacker-set
	Policy   Policy

	VisibleWithin time.Duration // 0: that of [queue] for the alert's severity

	BudgetDay   *winnow.NanoUSD // what calls for its alerts may cost; nil: no limit
	BudgetMonth *winnow.NanoUSD
}

// VisibleWithin is how long an alert of a search and a severity may wait before people must see it. An unknown
// severity counts as high.
func (s *Settings) VisibleWithin(search string, severity winnow.Severity) time.Duration {
	if d := s.Search(search).VisibleWithin; d > 0 {
		return d
	}
	q := &s.Queue
	switch severity {
	case winnow.SeverityCritical:
		return q.VisibleWithinCritical
	case winnow.SeverityMedium:
		return q.VisibleWithinMedium
	case winnow.SeverityLow:
		return q.VisibleWithinLow
	case winnow.SeverityInformational:
		return q.VisibleWithinInformational
	case winnow.SeverityHigh, winnow.SeverityUnknown:
	}
	return q.VisibleWithinHigh
}

// Search resolves the settings for one saved search. A search without a stanza has the global ones.
func (s *Settings) Search(name string) Search {
	if r, ok := s.searches[name]; ok {
		return r
	}
	return Search{Run: s.Gate.Run, Place: s.Gate.Place, Policy: s.Policy}
}

// Searches calls yield with every search that has a stanza of its own.
func (s *Settings) Searches(yield func(string, Search) bool) {
	for name, r := range s.searches {
		if !yield(name, r) {
			return
		}
	}
}

// EnabledSinks returns the sinks that are not disabled, in the order of the file.
func (s *Settings) EnabledSinks() []Sink {
	return slices.DeleteFunc(slices.Clone(s.Sinks), func(k Sink) bool { return k.Disabled })
}
