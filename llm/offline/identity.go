package offline

import (
	"strings"

	"github.com/winnow-soc/winnow"
)

// identityTable looks at accounts: how they signed in, and what they were given.
var identityTable = []heuristic{
	{
		name: "known account or place", vote: winnow.VoteSafe, confidence: 92, fields: []string{"user", "src"},
		when:   func(v *view) bool { return v.factOn("user") || (v.factOn("src") && v.has("user")) },
		reason: "expected of {user} from {src}: {fact}",
	},
	{
		name: "prompts until approved", vote: winnow.VoteMalicious, confidence: 85, fields: []string{"user", "failures", "result", "what"},
		when:   func(v *view) bool { return prompts(v) && many(v, 4) && got(v) },
		reason: "{user} refused {failures} prompts and then approved one: somebody has the password",
	},
	{
		name: "prompts refused", vote: winnow.VoteSuspicious, confidence: 70, fields: []string{"user", "failures", "what"},
		when: func(v *view) bool {
			return prompts(v) && (many(v, 3) || v.says("fatigue", "bombing", "suspicious activity reported"))
		},
		reason: "{user} is sent prompts that {user} did not ask for",
	},
	{
		name: "guessed password", vote: winnow.VoteMalicious, confidence: 80, fields: []string{"user", "src", "failures", "successes", "result"}, factWins: true,
		when:   func(v *view) bool { return guessing(v) && many(v, 10) && got(v) },
		reason: "{failures} failed logins of {user} from {src}, then one that worked",
	},
	{
		name: "password guessing", vote: winnow.VoteSuspicious, confidence: 58, fields: []string{"user", "src", "failures"}, factWins: true,
		when:   func(v *view) bool { return guessing(v) && many(v, 10) && !got(v) },
		reason: "{src} failed {failures} times to sign in as {user}",
	},
	{
		name: "brute force reported", vote: winnow.VoteSuspicious, confidence: 52, fields: []string{"user", "src", "what"}, factWins: true,
		when: func(v *view) bool {
			return v.says("brute force", "password spray", "credential stuffing") && !few(v) && !v.stopped()
		},
		reason: "the search reports password guessing against {user} from {src}",
	},
	{
		name: "a few failed logins", vote: winnow.VoteSafe, confidence: 65, fields: []string{"user", "failures", "result"},
		when:   func(v *view) bool { return guessing(v) && few(v) && !got(v) },
		reason: "only {failures} failed logins of {user}, none that worked",
	},
	{
		name: "far apart", vote: winnow.VoteSuspicious, confidence: 66, fields: []string{"user", "src"}, factWins: true,
		when: func(v *view) bool {
			return v.says("impossible travel", "improbable", "atypical travel", "rogue state", "unusual country") && !v.stopped()
		},
		reason: "{user} signed in from {src}, which is no exit of ours",
	},
	{
		name: "root at work", vote: winnow.VoteSuspicious, confidence: 72, fields: []string{"userIdentity.type", "user", "src", "what"},
		when:   func(v *view) bool { return v.is("userIdentity.type", "root") && !v.stopped() },
		reason: "the root account was used from {src} for {what}",
	},
	{
		name: "no second factor", vote: winnow.VoteSuspicious, confidence: 62, fields: []string{"user", "src", "additionalEventData.MFAUsed"}, factWins: true,
		when:   func(v *view) bool { return v.is("additionalEventData.MFAUsed", "no") && v.done() },
		reason: "{user} signed in from {src} without a second factor",
	},
	{
		name: "logging turned off", vote: winnow.VoteMalicious, confidence: 78, fields: []string{"what", "user"}, factWins: true,
		when:   func(v *view) bool { return loggingOff(v) && !v.stopped() },
		reason: "{user} turned off what would record the next steps: {what}",
	},
	{
		name: "lasting access", vote: winnow.VoteSuspicious, confidence: 62, fields: []string{"what", "user", "src"}, factWins: true,
		when:   func(v *view) bool { return lastingAccess(v) && !v.stopped() },
		reason: "{user} created access that lasts: {what}",
	},
	{
		name: "watched account", vote: winnow.VoteSuspicious, confidence: 64, fields: []string{"user_watchlist", "user"},
		when:   func(v *view) bool { return v.is("user_watchlist", "true", "1", "yes") },
		reason: "{user} is on the watch list",
	},
	{
		name: "only read", vote: winnow.VoteSafe, confidence: 62, fields: []string{"readOnly", "what"},
		when:   func(v *view) bool { return v.is("readOnly", "true") && v.asksFor()&^reads != 0 },
		reason: "{what} reads, the search is about a change",
	},
	{
		name: "another deed", vote: winnow.VoteSafe, confidence: 58, fields: []string{"what"},
		when:   func(v *view) bool { return v.asksFor() != 0 && v.deed() != 0 && v.asksFor()&v.deed() == 0 },
		reason: "{what} is not what the search is about",
	},
	{
		name: "refused", vote: winnow.VoteSafe, confidence: 58, fields: []string{"result", "user", "what"},
		when:   func(v *view) bool { return v.stopped() && v.has("user") && !many(v, 3) && !guessing(v) },
		reason: "{what} by {user} ended with {result}: nothing changed",
	},
}

func prompts(v *view) bool {
	return v.says("mfa", "multi-factor", "multifactor", "second factor", "push", "2fa")
}

func guessing(v *view) bool {
	return v.says("brute force", "failed login", "login fail", "failed logon", "authentication fail", "password spray", "excessive fail",
		"invalid user login", "login attempt", "credential stuffing")
}

// many reports at least n failures; few, less than five of them. A count that is missing is
// neither.
func many(v *view, n float64) bool { return v.atLeast("failures", n) }

func few(v *view) bool {
	n, ok := v.number("failures")
	return ok && n < 5
}

// got reports whether somebody got in.
func got(v *view) bool {
	return v.done() || v.atLeast("successes", 1) || v.is("mfa_result", "approved", "success", "allow")
}

func loggingOff(v *view) bool {
	_, what := v.get("what")
	switch strings.ToLower(what) {
	case "stoplogging", "deletetrail", "deleteflowlogs", "stopconfigurationrecorder", "deleteconfigurationrecorder", "deletedetector",
		"disassociatefrommasteraccount", "google.logging.v2.configservicev2.deletesink", "user.session.logging.disable":
		return true
	}
	return v.shows("insights/diagnosticsettings/delete", "audit log cleared", "event log cleared", "audit policy disabled", "auditd stopped", "tamper protection disabled")
}

func lastingAccess(v *view) bool {
	_, what := v.get("what")
	switch strings.ToLower(what) {
	case "createaccesskey", "createuser", "createloginprofile", "updateloginprofile", "attachuserpolicy", "attachrolepolicy", "putuserpolicy",
		"addusertogroup", "createpolicyversion", "updateassumerolepolicy", "admin_api_key_created", "user.account.privilege.grant",
		"user.mfa.factor.deactivate", "system.api_token.create", "google.iam.admin.v1.createserviceaccountkey", "setiampolicy":
		return true
	}
	return v.says("admin role assigned", "add member to role", "new admin", "roleassignments/write")
}
