// Package rules reads allow-list rules and value lists, and says whether a rule's condition holds
// for an alert. What a rule may then do (modes, expiry, ceilings, windows, canary) is package
// allowlist's to say. It is the only package that imports expr.
//
// # A rule
//
//	rules:
//	  - id: vpn-egress-travel            # unique; small letters, digits and -
//	    description: Sign-ins through the corporate VPN look like travel
//	    owner: detection@corp.example    # required, as are reason, expires, when and tests
//	    reason: VPN egress addresses are geolocated wrongly
//	    ticket: SEC-1423
//	    expires: 2027-03-31              # the last day (UTC) on which it holds, at most a year ahead
//	    search_name: [Impossible Travel] # exact names or globs; or global: true for every search
//	    when: cidr(event.src, lists.vpn_egress) && event.user in lists.vpn_users
//	    mode: enforce                    # or shadow, the default: counts what it would drop
//	    max_severity: medium             # the default; higher ceilings need approvals
//	    window: {days: [sat], from: "22:00", to: "04:00", tz: Europe/Berlin}
//	    canary: 1%                       # share of its drops that is triaged all the same
//	    tests:                           # at least one drop and one near miss
//	      - {name: vpn user, alert: {src: 10.8.0.4, user: ann}, want: drop}
//	      - {name: other network, alert: {src: 203.0.113.9, user: ann}, want: pass}
//
// A test's alert holds fields of the row. search_name, severity and _time stand for the alert's
// own, and alert.app, alert.owner and alert.source for what comes with the search. What is unsaid
// is the first exact search, severity low, and an instant inside window and expiry. Aliases,
// anchors, tags, unknown keys and keys written twice are errors.
//
// # Conditions
//
// The language is closed: everything that is not listed here is an error with its place.
//
//	"text"  `text`  42  -2.5  true  false  /* a comment */
//	event.user   event.a.b   event["odd name"]      a field of the row, a text
//	alert.search_name  .app  .owner  .severity  .source   texts that come with the search
//	alert.time                                      a number: seconds since 1970
//	lists.vpn_users                                 a value list
//
//	a && b   a and b   a || b   a or b   !a   not a   c ? a : b
//	x == "a"   x != "a"   x contains "a"   x startsWith "a"   x endsWith "a"   x matches "^a+$"
//	x in ["a", "b"]   x in lists.l   x not in ...   x not contains ...
//	n == 1   n != 1   n < 1   n <= 1   n > 1   n >= 1   n in [1, 2]   n + 1   n - 1   n * 2
//
//	has(event.f)                   the field is there
//	cidr(event.f, "10.0.0.0/8")    the address lies in a network, in ["...", "..."], or in lists.l
//	glob(event.f, "pat*tern")      the whole text fits: * any run, ? one character, \ the next as it is
//	lower(event.f)  upper(event.f) texts
//	num(event.f)                   the number a plain decimal stands for, of at most 15 digits
//	age(event.f)                   seconds from a time (epoch or RFC 3339) to alert.time
//	len(event.f)                   number of characters; of values(...) or a list, number of values
//
//	any(values(event.f), # == "a")       true for a value, # being the value
//	all(...)  none(...)  one(...)        true for all values, for none, for exactly one
//	count(values(event.f), # == "a")     the number of values for which it is true
//	any(lists.l, event.f startsWith #)   the same over a list of at most 10,000 values
//
// "not" binds to the name after it only, so a comparison under it needs parentheses. Regular
// expressions (RE2), patterns and networks are constants. Two event fields are compared only in a
// rule that says compare_fields: true. In YAML, quote a condition that holds # or write it below |.
//
// # Missing is unknown
//
// Conditions have three values. A part that is neither a connective nor has(...) is an atom. An
// atom is unknown when a field written anywhere in it is missing, or a value does not fit the
// function it is given to: cidr of what is no address, num of what is no plain decimal, age of a
// time after the alert's, matches and glob of a value over 32 KiB, "in" a list of networks of what
// is neither in it nor an address. That holds for each element of what any, all, none, one and
// count go through, and under not. An empty value is a missing value, for result files cannot tell
// the two apart. A condition matches only when it is true, so neither
//
//	not (event.action == "success")        of an alert without an action
//	not cidr(event.src, lists.internal)    of src=garbage
//
// matches.
//
// # Every value must satisfy
//
// A field may hold several values. A rule must be true for every way to pick one value for each
// field that it reads as a single value; the same pick counts wherever the field is written, and
// more than 256 ways are no match. values(event.f) is the list itself. An attacker who adds a
// benign value gains nothing. The conditions of the escalate list are true for any pick, and when
// they cannot be told: there, doubt goes to a person. There matches and glob look at values of up
// to 256 KiB, and an atom that meets a longer one holds, also under not.
//
// # How it runs
//
// expr parses the text. The checker turns the tree into atoms under connectives, the rewriter
// pushes every not down to the atoms, so that no third value is left, and what remains becomes Go
// functions where an atom asks one field about constants, and a program of expr's VM for the rest.
// The bounds at the top of condition.go are what keeps a run short, for the VM knows no step limit.
package rules
