package main

import (
	"bytes"
	"encoding/csv"
	"os"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
)

const fieldsPath = "../app/default/fields.csv"

func readFields(t *testing.T) (*winnow.FieldTable, [][]string) {
	t.Helper()
	data, err := os.ReadFile(fieldsPath)
	if err != nil {
		t.Fatal(err)
	}
	var table winnow.FieldTable
	if err := table.Read("fields.csv", bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return &table, rows[1:]
}

func TestEveryFieldIsListedOnce(t *testing.T) {
	_, rows := readFields(t)
	seen := map[string]bool{}
	for _, row := range rows {
		if seen[row[0]] {
			t.Errorf("%s is listed twice", row[0])
		}
		seen[row[0]] = true
		if row[0] != strings.TrimSpace(row[0]) || strings.HasPrefix(row[0], "__mv_") {
			t.Errorf("%q is no field name", row[0])
		}
	}
}

func TestFieldsAreSortedInTheirGroups(t *testing.T) {
	data, err := os.ReadFile(fieldsPath)
	if err != nil {
		t.Fatal(err)
	}
	last := ""
	for line := range strings.Lines(string(data)) {
		name, _, isRow := strings.Cut(line, ",")
		switch {
		case !isRow || strings.HasPrefix(line, "#") || name == "field":
			last = ""
		case name < last:
			t.Errorf("%s comes after %s", name, last)
		default:
			last = name
		}
	}
}

// TestVolatileFieldsHideNothing guards the cache key: a field that the attacker words must count
// in it.
func TestVolatileFieldsHideNothing(t *testing.T) {
	table, rows := readFields(t)
	for _, row := range rows {
		info := table.Lookup("", row[0])
		if info.Volatile && info.Control != winnow.ControlSystem {
			t.Errorf("%s is volatile and set by: %s", row[0], info.Control)
		}
	}
}

// TestWhatTellsAnAttackFromItsTwinCounts lists fields that may be the only difference between a
// benign alert and an attack, among them amounts and names of what was acted upon.
func TestWhatTellsAnAttackFromItsTwinCounts(t *testing.T) {
	table, _ := readFields(t)
	for name := range strings.FieldsSeq(`_raw src dest user src_user process process_path parent_process file_path file_name
		file_hash process_hash md5 sha256 url http_user_agent query answer domain dest_port signature signature_id action
		bytes bytes_in bytes_out count failure_count packets app id uid arn object object_id command registry_path service
		sender subject recipient attachment host source threat_match_value risk_score userIdentity.arn
		userIdentity.accessKeyId eventName sourceIPAddress requestParameters.policyDocument EventCode TargetUserName
		alert.signature_id http.url detail.type service.count output_fields.proc.cmdline output_fields.fd.sport
		client.geographicalContext.city request_id requestId x_request_id http_request_id trace_id span_id correlation_id
		correlationId auditID message_id ssl_session_id`) {
		if table.Lookup("", name).Volatile {
			t.Errorf("%s is volatile: a verdict on one alert would cover another that differs in it", name)
		}
	}
}

func TestWhoControlsWhat(t *testing.T) {
	table, _ := readFields(t)
	for control, names := range map[winnow.Control]string{
		winnow.ControlSystem: `src src_ip dest dest_ip dest_port dvc host index sourcetype action app signature signature_id
			vendor_product severity src_category dest_category user_category file_hash detail.type alert.signature
			eventName EventCode sourceIPAddress`,
		winnow.ControlIdentity: `user src_user user_id userIdentity.arn actor.alternateId TargetUserName event.UserName risk_object`,
		winnow.ControlAttacker: `_raw process process_name parent_process file_name file_path url uri_query http_referrer
			http_user_agent user_agent userAgent http_method cookie query domain subject body message description comment
			reason title rule_title rule_description risk_message sender attachment src_nt_host src_host src_dns
			dest_dns x_forwarded_for ssl_subject sni CommandLine ScriptBlockText Message errorMessage detail.description
			request_id requestId x_request_id http_request_id trace_id span_id correlation_id correlationId auditID message_id
			event.CommandLine http.url rule.description orig_raw winnow_id no_such_field`,
	} {
		for name := range strings.FieldsSeq(names) {
			if got := table.Lookup("", name).Control; got != control {
				t.Errorf("%s is set by %s, want %s", name, got, control)
			}
		}
	}
}

func TestRowsThatRepeatDifferOnlyInVolatileFields(t *testing.T) {
	table, _ := readFields(t)
	for name := range strings.FieldsSeq(`_time _indextime _cd _bkt _serial rid sid linecount splunk_server timestamp
		info_min_time info_max_time info_search_time src_port event_id flow_id session_id process_id parent_process_id
		requestID internal_message_id eventTime eventID orig_sid orig_rid orig_time ProcessGuid RecordNumber start_time end_time`) {
		if !table.Lookup("", name).Volatile {
			t.Errorf("%s counts in the cache key: no alert would ever repeat another", name)
		}
	}
}
