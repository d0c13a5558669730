package redact

import (
	"slices"
	"strings"
)

// cimText lists the fields that may leave by default: the Common Information Model's, by data model, what
// Enterprise Security adds to every notable event, and what winnow itself needs to say. _raw and the texts
// that Enterprise Security makes of raw events are not among them.
const cimText = `
search_name rule_name rule_title savedsearch_name severity severity_id urgency priority security_domain
status disposition count index source sourcetype host eventtype tag _time time
annotations.mitre_attack annotations.mitre_attack.mitre_tactic annotations.mitre_attack.mitre_technique
annotations.mitre_attack.mitre_technique_id mitre_tactic mitre_tactic_id mitre_technique mitre_technique_id
mitre_technique_id_count mitre_tactic_id_count annotations.kill_chain_phases kill_chain_phases
risk_object risk_object_type risk_score calculated_risk_score risk_event_count threat_object threat_object_type
threat_match_field threat_match_value threat_group threat_category threat_collection threat_key

app body category desc description dest dest_bunit dest_category dest_priority dest_type dvc id mitre_technique_id
name signature signature_id src src_bunit src_category src_priority src_type subject type user user_bunit user_category user_name
user_priority vendor_account vendor_region

action authentication_method authentication_service authentication_signature authentication_signature_id
authentication_signature_version dest_nt_domain duration reason response_time src_nt_domain src_user
src_user_bunit src_user_category src_user_id src_user_name src_user_priority src_user_role src_user_type
user_agent user_id user_role user_type vendor_product logon_type result

change_type command object object_attrs object_category object_id object_path result_id image_id instance_type
dest_nt_host src_nt_host user_group device_restarts dest_ip_range dest_port_range direction protocol rule_action
src_ip_range src_port_range transport old_value new_value resource_type

creation_time dest_is_expected dest_port dest_requires_av dest_should_timesync dest_should_update process_guid
process_id src_port src_requires_av src_should_timesync src_should_update state
cpu_load_percent mem_used os original_file_name parent_process parent_process_exec parent_process_guid
parent_process_id parent_process_name parent_process_path parent_process_hash process process_current_directory
process_exec process_hash process_integrity_level process_name process_path process_command_line
service service_dll service_dll_hash service_dll_path service_dll_signature_exists service_dll_signature_verified
service_exec service_hash service_id service_name service_path service_signature_exists service_signature_verified
start_mode file_access_time file_acl file_create_time file_hash file_modify_time file_name file_path file_size
registry_hive registry_key_name registry_path registry_value_data registry_value_name registry_value_text
registry_value_type

bytes bytes_in bytes_out channel dest_interface dest_ip dest_mac dest_translated_ip dest_translated_port dest_zone
dvc_bunit dvc_category dvc_ip dvc_mac dvc_priority dvc_zone flow_id icmp_code icmp_type packets packets_in
packets_out process_id protocol_version rule src_interface src_ip src_mac src_translated_ip
src_translated_port src_zone ssid tcp_flag tcp_flags tos ttl vlan wifi dest_host src_host dest_dns src_dns
dest_ipv6 src_ipv6 dest_country src_country

cached error_code http_content_type http_method http_referrer http_referrer_domain http_user_agent
http_user_agent_length operation site status_code storage_name uri_path uri_query uri url url_domain url_length
http_host http_status

delay file_size filter_action filter_score internal_message_id message_id message_info orig_dest orig_recipient
orig_src recipient recipient_count recipient_domain recipient_status return_addr retries sender sender_domain size
src_user_domain user_domain user_email src_user_email xdelay xref

additional_answer_count answer answer_count authority_answer_count message_type query query_count query_type
record_type reply_code reply_code_id transaction_id

ids_type product vendor cve cvss

date file_hash vendor_action action_id malware_category malware_family threat_name
`

var cim = func() map[string]bool {
	m := map[string]bool{}
	for name := range strings.FieldsSeq(cimText) {
		m[name] = true
	}
	return m
}()

// CIM reports whether a field may leave by default. The list is closed, and case counts.
func CIM(name string) bool { return cim[name] && !SecretName(name) }

// secretWords are what the name of a field has in it when its value opens something. They are compared with
// the letters and digits of a name only: api_key, apiKey and X-API-Key are one.
var secretWords = []string{
	"password", "passwd", "passphrase", "passcode", "pwd", "secret", "token", "cookie", "credential",
	"authheader", "apikey", "accesskey", "privatekey", "sessionkey", "signingkey", "encryptionkey",
	"sharedkey", "clientkey", "masterkey", "accountkey", "sshkey", "bearer", "jwt", "assertion", "otp", "pincode",
	"connectionstring", "ntlmhash", "lmhash", "pwhash", "seedphrase", "recoverycode", "xauth", "sasurl",
}

// SecretName reports whether the name of a field says that its values are secrets. They never leave, whatever
// is allowed.
func SecretName(name string) bool {
	plain := make([]byte, 0, len(name))
	for i := range len(name) {
		switch b := name[i]; {
		case b >= 'A' && b <= 'Z':
			plain = append(plain, b+'a'-'A')
		case b >= 'a' && b <= 'z' || b >= '0' && b <= '9':
			plain = append(plain, b)
		}
	}
	text := string(plain)
	if last := strings.ToLower(name); strings.HasSuffix(last, "authorization") || strings.HasSuffix(last, "authorization_header") {
		return true // not authorizationInfo, which says what was allowed
	}
	return slices.ContainsFunc(secretWords, func(w string) bool {
		if w == "otp" || w == "jwt" || w == "pwd" { // too short to be looked for inside of words
			return text == w || strings.HasSuffix(text, w)
		}
		return strings.Contains(text, w)
	})
}
