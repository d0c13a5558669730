package offline

// concepts name the fields in which products put the same thing, the Common Information Model's
// name first.
var concepts = map[string][]string{
	"src": {
		"src", "src_ip", "sourceIPAddress", "client.ipAddress", "callerIpAddress", "ClientIP", "IpAddress", "SourceIp",
		"protoPayload.requestMetadata.callerIp", "protoPayload.requestMetadata.callerIP", "actor.ip_address", "sourceIPs",
		"data.srcip", "properties.ipAddress", "id.orig_h",
		"service.action.awsApiCallAction.remoteIpDetails.ipAddressV4", "detail.service.action.awsApiCallAction.remoteIpDetails.ipAddressV4",
		"service.action.networkConnectionAction.remoteIpDetails.ipAddressV4", "detail.service.action.networkConnectionAction.remoteIpDetails.ipAddressV4",
		"event.LocalIP", "output_fields.fd.sip", "src_host",
	},
	"dest": {
		"dest", "dest_ip", "dest_host", "DestinationIp", "data.dstip", "id.resp_h", "event.ComputerName", "computerDnsName", "ComputerName",
		"Computer", "agent.name", "resource.instanceDetails.instanceId", "detail.resource.instanceDetails.instanceId",
		"output_fields.k8s.pod.name", "resourceId", "protoPayload.resourceName", "objectRef.name", "dvc", "hostname", "host",
	},
	"user": {
		"user", "src_user", "userIdentity.userName", "userIdentity.arn", "actor.alternateId", "actor.email_address", "actor.email",
		"protoPayload.authenticationInfo.principalEmail", "event.UserName", "TargetUserName", "user.username", "userIdentity.email",
		"properties.userPrincipalName", "UserId", "identity", "resource.accessKeyDetails.userName", "detail.resource.accessKeyDetails.userName",
		"relatedUser.userName", "output_fields.user.name", "data.dstuser", "account",
	},
	// What happened, as the product names it.
	"what": {
		"signature", "alert.signature", "eventName", "eventType", "event_type", "operationName", "Operation", "protoPayload.methodName",
		"detail.type", "type", "event.DetectName", "event.Objective", "threat_name", "threatName", "threatFamilyName", "rule", "rule_name",
		"title", "detail.title", "category", "alert.category", "displayMessage", "actionName", "verb", "name", "event", "legacyEventType",
	},
	"result": {
		"action", "result", "outcome.result", "responseElements.ConsoleLogin", "errorCode", "ResultStatus", "resultType", "status",
		"responseStatus.code", "conn_state", "alert.action", "proxy_action", "Status",
	},
	"failures":  {"failure_count", "failures", "failed_attempts", "failed_count", "attempts", "denials"},
	"successes": {"success_count", "successes", "approvals"},
	"bytes_out": {"bytes_out", "flow.bytes_toserver"},
	"port":      {"dest_port", "DestinationPort", "data.dstport", "id.resp_p"},
	"query":     {"query", "dns.question.name", "dns.rrname", "domain", "dest_nt_domain_name"},
	"url":       {"url", "http.url", "uri_path", "http.uri"},
	"process":   {"process", "command_line", "CommandLine", "event.CommandLine", "evidence.processCommandLine", "output_fields.proc.cmdline", "ProcessCommandLine", "process_exec"},
	"file_hash": {"file_hash", "sha256", "event.SHA256String", "evidence.sha256", "process_hash", "hash", "md5", "sha1"},
	"role":      {"dest_category", "host_category", "dvc_category"},
	"priority":  {"dest_priority", "host_priority", "dvc_priority", "priority"},
	"owner":     {"dest_owner", "host_owner", "src_owner", "dest_bunit"},
	"technique": {
		"annotations.mitre_attack", "annotations.mitre_attack.mitre_technique_id", "mitre_technique_id", "event.TechniqueId",
		"mitreTechniques", "rule.mitre.id", "tags",
	},
}

// freeText are the fields that carry what somebody typed, requested or ran.
var freeText = []string{
	"process", "command_line", "CommandLine", "event.CommandLine", "evidence.processCommandLine", "output_fields.proc.cmdline", "ProcessCommandLine",
	"process_exec", "process_name", "parent_process", "event.ParentCommandLine", "output", "url", "http.url", "uri_path", "uri_query",
	"query", "domain", "http_user_agent", "userAgent", "user_agent", "file_name", "file_path", "event.FileName", "event.FilePath", "registry_path",
	"subject", "description", "detail.description", "service_name", "body", "message",
}

// result is how an attempt ended.
type result uint8

const (
	resultUnknown result = iota
	resultDone           // it happened
	resultStopped        // it was refused, blocked or failed
)

// stoppedWords and doneWords are how products say so. Numbers are HTTP and gRPC codes.
var (
	stoppedWords = []string{
		"blocked", "block", "denied", "deny", "dropped", "drop", "rejected", "reject", "failure", "failed", "fail", "refused", "quarantined",
		"prevented", "deferred", "error", "unauthorized", "forbidden", "401", "403", "accessdenied", "s0", "rej",
	}
	doneWords = []string{"allowed", "allow", "success", "succeeded", "successful", "pass", "permitted", "accepted", "delivered", "200", "201", "0", "sf", "created", "modified", "added"}
)
