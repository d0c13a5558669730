package intake

import (
	"strings"

	"github.com/winnow-soc/winnow"
)

// finding gives the fields of a GuardDuty finding by their names in the EventBridge event's
// detail, wherever the finding comes from: the API writes them with a capital letter.
type finding struct {
	f      winnow.Fields
	prefix string // "detail." for an EventBridge event
	names  map[string]string
}

// fromGuardDuty lays CIM fields over a GuardDuty finding; other rows come back as they are. The
// finding's own fields stay, with one exception: its numeric severity is called severity_id, for
// severity is a word.
func fromGuardDuty(f winnow.Fields) winnow.Fields {
	g, ok := asFinding(f)
	if !ok {
		return f
	}
	kind := g.first("type")
	level := g.first("severity")
	f["search_name"] = []string{"GuardDuty " + kind}
	f["severity"] = []string{winnow.ParseSeverity(winnow.ScaleGuardDuty, level).String()}
	g.set("severity_id", level)
	g.set("signature", kind)
	g.set("vendor_product", "AWS GuardDuty")
	g.set("_time", g.first("service.eventLastSeen", "updatedAt", "createdAt"))
	g.set("vendor_account", g.first("accountId"))
	g.set("vendor_region", g.first("region"))
	g.set("object_category", g.first("resource.resourceType"))
	g.set("body", g.first("description"))
	g.endpoints()
	g.identity()
	return f
}

// asFinding tells a finding by three fields that every finding has and little else has together.
func asFinding(f winnow.Fields) (*finding, bool) {
	g := &finding{f: f}
	switch {
	case f["detail.service.serviceName"] != nil:
		g.prefix = "detail."
	case f["Service.ServiceName"] != nil:
		g.names = make(map[string]string, len(f))
		for name := range f {
			g.names[camel(name)] = name
		}
	}
	ok := g.first("service.serviceName") == "guardduty" && g.first("type") != "" && g.first("severity") != ""
	return g, ok
}

// camel lowers the first letter of every part of a dotted name.
func camel(name string) string {
	parts := strings.Split(name, ".")
	for i, p := range parts {
		if p != "" {
			parts[i] = strings.ToLower(p[:1]) + p[1:]
		}
	}
	return strings.Join(parts, ".")
}

// all returns the values of the first of the named fields that is there.
func (g *finding) all(names ...string) []string {
	for _, name := range names {
		if g.names != nil {
			name = g.names[name]
		}
		if v := g.f[g.prefix+name]; len(v) > 0 {
			return v
		}
	}
	return nil
}

func (g *finding) first(names ...string) string {
	if v := g.all(names...); len(v) > 0 {
		return v[0]
	}
	return ""
}

// set writes a CIM field. A field of the same name that the finding brought is replaced: the
// name must mean one thing.
func (g *finding) set(name string, values ...string) {
	delete(g.f, name)
	g.f.Add(name, values...)
}

// endpoints sets src and dest. The remote side is the source, unless the resource itself went
// out: then it is the destination.
func (g *finding) endpoints() {
	remote := g.remote()
	local := g.all("resource.instanceDetails.networkInterfaces.privateIpAddress",
		"service.action.networkConnectionAction.localIpDetails.ipAddressV4")
	host := g.all("resource.instanceDetails.instanceId", "resource.eksClusterDetails.name",
		"resource.s3BucketDetails.name", "resource.rdsDbInstanceDetails.dbInstanceIdentifier",
		"resource.lambdaDetails.functionName", "resource.ecsClusterDetails.name")
	g.set("object", host...)
	if local == nil {
		local = host
	}
	if g.outward() {
		g.set("src", local...)
		g.set("dest", remote...)
	} else {
		g.set("src", remote...)
		g.set("dest", local...)
	}
	g.set("query", g.all("service.action.dnsRequestAction.domain")...)
}

func (g *finding) remote() []string {
	for _, action := range []string{"networkConnectionAction", "awsApiCallAction", "kubernetesApiCallAction",
		"rdsLoginAttemptAction", "portProbeAction.portProbeDetails"} {
		at := "service.action." + action + ".remoteIpDetails."
		if v := g.all(at+"ipAddressV4", at+"ipAddressV6"); v != nil {
			return v
		}
	}
	return g.all("service.action.dnsRequestAction.domain")
}

func (g *finding) outward() bool {
	return g.first("service.action.networkConnectionAction.connectionDirection") == "OUTBOUND" ||
		g.first("service.action.actionType") == "DNS_REQUEST"
}

// identity sets user, action and what they were used on.
func (g *finding) identity() {
	g.set("user", g.all("resource.accessKeyDetails.userName",
		"resource.kubernetesDetails.kubernetesUserDetails.username", "resource.rdsDbUserDetails.user")...)
	g.set("user_type", g.all("resource.accessKeyDetails.userType")...)
	g.set("command", g.all("service.action.awsApiCallAction.api")...)
	switch g.first("service.action.networkConnectionAction.blocked", "service.action.dnsRequestAction.blocked") {
	case "true":
		g.set("action", "blocked")
	case "false":
		g.set("action", "allowed")
	}
}
