package paging

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/splunk"
)

// desk is the interface of one kind of ticket system. References are what later requests name a ticket by.
type desk struct {
	auth      func(user string, key winnow.Secret) http.Header
	find      func(id string) []splunk.Request // tried until one is there
	found     func(*splunk.Answer) (ref string, err error)
	create    string // path
	created   func(*splunk.Answer) (ref string, err error)
	duplicate []int // statuses that may say that it is there already
	comment   func(ref string) (method, path string)
}

var desks = map[conf.Template]desk{
	conf.TemplateSOAR: {
		auth: func(_ string, key winnow.Secret) http.Header { return http.Header{"Ph-Auth-Token": {key.Reveal()}} },
		find: func(id string) []splunk.Request {
			return gets("/rest/container", url.Values{"_filter_source_data_identifier": {`"` + id + `"`}, "page_size": {"1"}})
		},
		found: func(a *splunk.Answer) (string, error) {
			var v struct{ Data []struct{ ID json.Number } }
			err := a.Read("look for the ticket", &v)
			if err != nil || len(v.Data) == 0 {
				return "", err
			}
			return v.Data[0].ID.String(), nil
		},
		create: "/rest/container", duplicate: []int{http.StatusBadRequest},
		created: func(a *splunk.Answer) (string, error) {
			var v struct {
				ID       json.Number
				Existing json.Number `json:"existing_container_id"`
			}
			if err := a.Read("open a ticket", &v); err != nil {
				return "", err
			}
			if v.Existing != "" {
				return v.Existing.String(), nil
			}
			return v.ID.String(), nil
		},
		comment: func(string) (string, string) { return http.MethodPost, "/rest/container_comment" },
	},
	conf.TemplateJira: {
		auth: basicOrBearer,
		find: func(id string) []splunk.Request {
			q := url.Values{"jql": {`labels = "` + id + `"`}, "fields": {"key"}, "maxResults": {"1"}}
			return append(gets("/rest/api/2/search/jql", q), gets("/rest/api/2/search", q)...)
		},
		found: func(a *splunk.Answer) (string, error) {
			var v struct{ Issues []struct{ Key string } }
			err := a.Read("look for the ticket", &v)
			if err != nil || len(v.Issues) == 0 {
				return "", err
			}
			return v.Issues[0].Key, nil
		},
		create: "/rest/api/2/issue",
		created: func(a *splunk.Answer) (string, error) {
			var v struct{ Key string }
			err := a.Read("open a ticket", &v)
			return v.Key, err
		},
		comment: func(ref string) (string, string) { return http.MethodPost, "/rest/api/2/issue/" + ref + "/comment" },
	},
	conf.TemplateServiceNow: {
		auth: basicOrBearer,
		find: func(id string) []splunk.Request {
			return gets("/api/now/table/incident", url.Values{"sysparm_query": {"correlation_id=" + id}, "sysparm_fields": {"sys_id,number"}, "sysparm_limit": {"1"}})
		},
		found: func(a *splunk.Answer) (string, error) {
			var v struct {
				Result []struct {
					SysID string `json:"sys_id"`
				}
			}
			err := a.Read("look for the ticket", &v)
			if err != nil || len(v.Result) == 0 {
				return "", err
			}
			return v.Result[0].SysID, nil
		},
		create: "/api/now/table/incident",
		created: func(a *splunk.Answer) (string, error) {
			var v struct {
				Result struct {
					SysID string `json:"sys_id"`
				}
			}
			err := a.Read("open a ticket", &v)
			return v.Result.SysID, err
		},
		comment: func(ref string) (string, string) { return http.MethodPatch, "/api/now/table/incident/" + ref },
	},
	conf.TemplateTheHive: {
		auth: func(_ string, key winnow.Secret) http.Header { return bearer(key) },
		find: func(id string) []splunk.Request {
			body, _ := json.Marshal(map[string]any{"query": []any{ //nolint:errchkjson // texts alone
				map[string]any{"_name": "listAlert"},
				map[string]any{"_name": "filter", "_field": "sourceRef", "_value": id},
				map[string]any{"_name": "page", "from": 0, "to": 1},
			}})
			return []splunk.Request{{Method: http.MethodPost, Path: "/api/v1/query", Body: body}}
		},
		found: func(a *splunk.Answer) (string, error) {
			var v []hiveAlert
			err := a.Read("look for the ticket", &v)
			if err != nil || len(v) == 0 {
				return "", err
			}
			return v[0].ID, nil
		},
		create: "/api/v1/alert", duplicate: []int{http.StatusBadRequest},
		created: func(a *splunk.Answer) (string, error) {
			var v hiveAlert
			err := a.Read("open a ticket", &v)
			return v.ID, err
		},
		comment: func(ref string) (string, string) { return http.MethodPost, "/api/v1/alert/" + ref + "/comment" },
	},
}

type hiveAlert struct {
	ID string `json:"_id"`
}

// gets is a search that other versions of a server may have elsewhere.
func gets(path string, query url.Values) []splunk.Request {
	return []splunk.Request{{
		Method: http.MethodGet, Path: path + "?" + query.Encode(), Also: []int{http.StatusNotFound, http.StatusMethodNotAllowed},
	}}
}

func basicOrBearer(user string, key winnow.Secret) http.Header {
	if user == "" {
		return bearer(key)
	}
	return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+key.Reveal()))}}
}
