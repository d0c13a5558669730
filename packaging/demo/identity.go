package demo

import (
	"fmt"
	"time"
)

// identityNoise: sign-ins that look wrong and are not.
func (d *day) identityNoise() {
	d.times(46, func(ago time.Duration) {
		d.travel(ago, ExpectDrop, pick(d, vpnUsers), pick(d, vpnEgress), pick(d, cities))
	})
	d.times(14, func(ago time.Duration) {
		d.prompts(ago, ExpectDrop, "mfa-robot-"+fmt.Sprint(1+d.rand.IntN(3)), d.addr("10.8.0."), 6+d.rand.IntN(5), "denied")
	})
	d.times(22, func(ago time.Duration) {
		d.failures(ago, ExpectDrop, pick(d, serviceAccounts), d.addr("10.20.4."), "srv-files-01", 8+d.rand.IntN(40), 0)
	})
}

// identityOpen: sign-ins that no rule covers.
func (d *day) identityOpen() {
	d.times(9, func(ago time.Duration) {
		d.travel(ago, ExpectPass, pick(d, officeUsers), d.addr("192.0.2."), pick(d, cities))
	})
	d.times(2, func(ago time.Duration) { // not a VPN user, so the VPN does not explain it
		d.travel(ago, ExpectPass, pick(d, officeUsers), pick(d, vpnEgress), pick(d, cities))
	})
	d.times(5, func(ago time.Duration) {
		user := pick(d, officeUsers)
		d.prompts(ago, ExpectPass, user, d.addr("10.20.2."), 2+d.rand.IntN(2), "denied", "approved")
	})
	d.times(7, func(ago time.Duration) {
		user := pick(d, officeUsers)
		d.failures(ago, ExpectPass, user, d.addr("10.20.2."), "srv-files-01", 5+d.rand.IntN(6), 1)
	})
}

// travel is a sign-in far from the last one, as Okta logs it.
func (d *day) travel(ago time.Duration, want Expected, user, src string, from city, more ...any) {
	km := 900 + d.rand.IntN(3000)
	d.happen(impossibleTravel, ago, want, append([]any{
		"user", user, "src", src, "src_country", from.country, "actor.alternateId", mail(user),
		"client.ipAddress", src, "client.geographicalContext.city", from.name, "client.geographicalContext.country", from.country,
		"client.userAgent.rawUserAgent", pick(d, []string{browser, phone}), "user_agent", browser,
		"previous_city", "Zurich", "distance_km", km, "speed_kmh", km * 4, "action", "success",
		"authenticationContext.externalSessionId", "trs" + d.hex(20), "uuid", d.hex(32),
	}, more...)...)
}

// prompts are many MFA prompts in a short time, as Entra ID logs them.
func (d *day) prompts(ago time.Duration, want Expected, user, src string, count int, results ...string) {
	denied, action := count, "failure"
	if len(results) > 1 { // the last one was let through
		denied, action = count-1, "success"
	}
	d.happen(mfaFatigue, ago, want,
		"user", user, "src", src, "properties.userPrincipalName", mail(user), "properties.ipAddress", src,
		"operationName", "Sign-in activity", "properties.appDisplayName", "Office 365",
		"properties.authenticationRequirement", "multiFactorAuthentication",
		"prompt_count", count, "failure_count", denied, "mfa_result", results, "action", action,
		"window_minutes", 10, "properties.correlationId", d.uuid())
}

// failures are failed sign-ins, and how many succeeded after, as Windows logs them.
func (d *day) failures(ago time.Duration, want Expected, user, src, dest string, failed, succeeded int, more ...any) {
	action := "failure"
	if succeeded > 0 {
		action = "success"
	}
	d.happen(bruteForce, ago, want, append([]any{
		"user", user, "src", src, "dest", dest, "failure_count", failed, "success_count", succeeded,
		"LogonType", "3", "SubStatus", "0xC000006A", "signature", "An account failed to log on",
		"TargetUserName", user, "IpAddress", src, "action", action,
	}, more...)...)
}

func (d *day) uuid() string {
	h := d.hex(32)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
