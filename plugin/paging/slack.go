package paging

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk"
)

// slack posts a message into a channel, and brings it up to date when the page is over. A message that was posted and
// whose answer was lost is found again by its metadata, where the app may read the channel's history.
type slack struct {
	*target
	channel string
}

const slackURL = "https://slack.com"

func newSlack(c conf.Sink, o Options) (*slack, error) {
	t, err := newTarget(c, o, slackURL)
	return &slack{t, c.Channel}, err
}

type slackText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type slackBlock struct {
	Type string     `json:"type"`
	Text *slackText `json:"text,omitempty"`
}

type slackMessage struct {
	Channel  string         `json:"channel"`
	TS       string         `json:"ts,omitempty"` // of the message that is brought up to date
	Text     string         `json:"text"`
	Blocks   []slackBlock   `json:"blocks"`
	Markdown bool           `json:"mrkdwn"`
	Unfurl   bool           `json:"unfurl_links"`
	Media    bool           `json:"unfurl_media"`
	Metadata *slackMetadata `json:"metadata,omitempty"`
}

type slackMetadata struct {
	Type    string            `json:"event_type"`
	Payload map[string]string `json:"event_payload"`
}

const slackEvent = "winnow_page"

// plainText is text in which Slack reads no markup, mentions and links.
func plainText(kind, text string, limit int) slackBlock {
	return slackBlock{Type: kind, Text: &slackText{Type: "plain_text", Text: clip(text, limit)}}
}

// slackEscape takes the meaning out of the only characters that have one in a message's fallback text.
var slackEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func (s *slack) message(d *ledger.Delivery, state string) slackMessage {
	m := newMessage(d, "")
	out := slackMessage{
		Channel: s.channel, Text: slackEscape.Replace(m.Title),
		Blocks: []slackBlock{plainText("header", m.Title, 150), plainText("section", m.Text, 2900)},
	}
	if state != "" {
		out.Text = slackEscape.Replace(state + " " + m.Title)
		out.Blocks = append(out.Blocks, plainText("section", state, 500))
	}
	return out
}

// Deliver posts the message of a page, or says on it what has become of it.
func (s *slack) Deliver(ctx context.Context, d ledger.Delivery) error {
	page, err := s.page(&d)
	if err != nil {
		return err
	}
	ref := page.Ref
	if ref == "" {
		if ref, err = s.find(ctx, page); err != nil {
			return err
		}
	}
	if page.Action == ledger.PageTrigger {
		if ref != "" {
			return s.taken("post to Slack", ref)
		}
		m := s.message(&d, "")
		m.Metadata = &slackMetadata{Type: slackEvent, Payload: map[string]string{"page": pageID(page)}}
		a, err := s.ask(ctx, "post to Slack", "chat.postMessage", m)
		if err != nil {
			return err
		}
		return s.taken("post to Slack", a.TS)
	}
	if ref == "" {
		return nil // nobody was told, so there is nothing to take back
	}
	m := s.message(&d, ended(&d))
	m.TS = ref
	_, err = s.ask(ctx, "update the message in Slack", "chat.update", m)
	return err
}

// slackAnswer is what Slack says, with status 200 whether it did what it was asked or not.
type slackAnswer struct {
	OK       bool   `json:"ok"`
	Error    string `json:"error"`
	TS       string `json:"ts"`
	Messages []struct {
		TS       string        `json:"ts"`
		Metadata slackMetadata `json:"metadata"`
	} `json:"messages"`
}

// slackForGood are the errors that the same request always meets.
var slackForGood = map[string]bool{
	"invalid_blocks": true, "invalid_blocks_format": true, "msg_too_long": true, "no_text": true, "too_many_attachments": true,
	"metadata_too_large": true, "invalid_arguments": true, "message_not_found": true, "cant_update_message": true, "edit_window_closed": true,
}

var slackAuth = map[string]bool{
	"not_authed": true, "invalid_auth": true, "account_inactive": true, "token_revoked": true, "token_expired": true, "no_permission": true,
	"missing_scope": true,
}

func (s *slack) ask(ctx context.Context, op, method string, body any) (*slackAnswer, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, s.Refused(op, err.Error(), splunk.CodeInput, false)
	}
	return s.call(ctx, op, splunk.Request{Method: http.MethodPost, Path: "/api/" + method, Body: text})
}

func (s *slack) call(ctx context.Context, op string, r splunk.Request) (*slackAnswer, error) {
	key, err := s.Key(ctx)
	if err != nil {
		return nil, err
	}
	r.Op, r.Key, r.Header = op, key, bearer(key)
	a, err := s.Call(ctx, r)
	if err != nil {
		return nil, err
	}
	var out slackAnswer
	if err := a.Read(op, &out); err != nil {
		return nil, err
	}
	code := splunk.CodeRefused
	if slackAuth[out.Error] {
		code = splunk.CodeAuth
	}
	if !out.OK {
		return &out, s.Refused(op, "Slack says "+strconv.Quote(cmp.Or(out.Error, "nothing")), code, !slackForGood[out.Error])
	}
	return &out, nil
}

func bearer(key winnow.Secret) http.Header {
	return http.Header{"Authorization": {"Bearer " + key.Reveal()}}
}

// find looks for the message of a page that was posted before. An app that may not read the channel finds none.
func (s *slack) find(ctx context.Context, page *ledger.Page) (ref string, err error) {
	const op = "look for the message in Slack"
	from := page.Opened.Add(-time.Minute)
	query := url.Values{
		"channel": {s.channel}, "include_all_metadata": {"true"}, "limit": {"200"}, "oldest": {strconv.FormatInt(from.Unix(), 10)},
	}
	a, err := s.call(ctx, op, splunk.Request{Method: http.MethodGet, Path: "/api/conversations.history?" + query.Encode()})
	if a != nil && (a.Error == "missing_scope" || a.Error == "not_in_channel" || a.Error == "channel_not_found") {
		return "", nil //nolint:nilerr // without the right to look, a lost answer may bring a second message
	}
	if err != nil {
		return "", err
	}
	for _, m := range a.Messages {
		if m.Metadata.Type == slackEvent && m.Metadata.Payload["page"] == pageID(page) && validRef(m.TS) {
			return m.TS, nil
		}
	}
	return "", nil
}
