package openai

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/winnow-soc/winnow/llm/chat"
)

const (
	batchKept   = 7 * 24 * 3600 // seconds that the provider keeps the files of a batch
	maxBatch    = 512 << 20     // bytes of one file of answers
	maxLine     = 8 << 20       // bytes of one answer in it
	firstBuffer = 64 << 10
)

// batchLine is one request in the file of a batch.
type batchLine struct {
	ID     string `json:"custom_id"`
	Method string `json:"method"`
	URL    string `json:"url"`
	Body   any    `json:"body"`
}

// SubmitBatch uploads the requests as one file, which the provider deletes after a week, and starts a
// batch on it. Every error is a *chat.Error.
func (c *Client) SubmitBatch(ctx context.Context, requests []*chat.Request) (string, error) {
	file, endpoint, err := c.batchFile(requests)
	if err != nil {
		return "", err
	}
	var uploaded openai.FileObject
	err = c.batchCall(ctx, &uploaded, func(ctx context.Context, o ...option.RequestOption) error {
		_, err := c.files.New(ctx, openai.FileNewParams{
			File: openai.File(bytes.NewReader(file), "winnow.jsonl", "application/jsonl"), Purpose: openai.FilePurposeBatch,
			ExpiresAfter: openai.FileNewParamsExpiresAfter{Seconds: batchKept},
		}, o...)
		return err
	})
	if err != nil {
		return "", notSent(err) // a file alone is not billed
	}
	var b openai.Batch
	err = c.batchCall(ctx, &b, func(ctx context.Context, o ...option.RequestOption) error {
		_, err := c.batches.New(ctx, openai.BatchNewParams{
			InputFileID: uploaded.ID, Endpoint: endpoint, CompletionWindow: openai.BatchNewParamsCompletionWindow24h,
			OutputExpiresAfter: openai.BatchNewParamsOutputExpiresAfter{Seconds: batchKept},
		}, o...)
		return err
	})
	if err == nil && b.ID == "" {
		err = badReply()
	}
	return b.ID, err
}

func notSent(err error) error {
	if e, ok := err.(*chat.Error); ok { //nolint:errorlint // this package's own, never wrapped
		e.Sent = false
	}
	return err
}

func (c *Client) batchFile(requests []*chat.Request) ([]byte, openai.BatchNewParamsEndpoint, error) {
	endpoint := openai.BatchNewParamsEndpointV1Responses
	if c.opts.API == ChatCompletions {
		endpoint = openai.BatchNewParamsEndpointV1ChatCompletions
	}
	var file bytes.Buffer
	enc := json.NewEncoder(&file)
	for _, r := range requests {
		params, err := c.batchParams(r)
		if err != nil || r.ID == "" {
			return nil, "", badRequest()
		}
		if enc.Encode(batchLine{r.ID, http.MethodPost, string(endpoint), params}) != nil {
			return nil, "", badRequest()
		}
	}
	if len(requests) == 0 {
		return nil, "", badRequest()
	}
	return file.Bytes(), endpoint, nil
}

// batchParams is a request as it stands in a batch, which is a service tier of its own.
func (c *Client) batchParams(r *chat.Request) (any, error) {
	if c.opts.API == ChatCompletions {
		p, err := c.chatParams(r)
		p.ServiceTier = ""
		return p, err
	}
	p, err := c.responseParams(r)
	p.ServiceTier = ""
	return p, err
}

// batchCall makes one call and reads its answer into v.
func (c *Client) batchCall(ctx context.Context, v any, send sender) error {
	body, h, err := c.call(ctx, send)
	if err != nil {
		return err
	}
	if json.Unmarshal(body, v) != nil {
		e := badReply()
		e.RequestID = chat.Name(h.Get("X-Request-Id"))
		return e
	}
	return nil
}

// CancelBatch asks the provider to end a batch.
func (c *Client) CancelBatch(ctx context.Context, id string) error {
	var b openai.Batch
	return c.batchCall(ctx, &b, func(ctx context.Context, o ...option.RequestOption) error {
		_, err := c.batches.Cancel(ctx, id, o...)
		return err
	})
}

// Batch tells how far a batch is, with its answers once it has ended. Every error is a *chat.Error.
func (c *Client) Batch(ctx context.Context, id string) (chat.BatchState, map[string]*chat.Reply, map[string]*chat.Error, error) {
	var b openai.Batch
	err := c.batchCall(ctx, &b, func(ctx context.Context, o ...option.RequestOption) error {
		_, err := c.batches.Get(ctx, id, o...)
		return err
	})
	if err != nil {
		return "", nil, nil, err
	}
	state, ok := batchStates[b.Status]
	if !ok {
		return "", nil, nil, badReply()
	}
	if state == chat.BatchRunning {
		return state, nil, nil, nil
	}
	a := answers{c: c, done: map[string]*chat.Reply{}, failed: map[string]*chat.Error{}}
	for _, file := range []string{b.OutputFileID, b.ErrorFileID} {
		if file == "" {
			continue
		}
		if err := a.download(ctx, file); err != nil {
			return "", nil, nil, err
		}
	}
	return state, a.done, a.failed, nil
}

var batchStates = map[openai.BatchStatus]chat.BatchState{
	openai.BatchStatusValidating: chat.BatchRunning, openai.BatchStatusInProgress: chat.BatchRunning,
	openai.BatchStatusFinalizing: chat.BatchRunning, openai.BatchStatusCancelling: chat.BatchRunning,
	openai.BatchStatusCompleted: chat.BatchDone, openai.BatchStatusFailed: chat.BatchFailed,
	openai.BatchStatusExpired: chat.BatchExpired, openai.BatchStatusCancelled: chat.BatchCanceled,
}

// answers collects what the files of a batch hold.
type answers struct {
	c      *Client
	done   map[string]*chat.Reply
	failed map[string]*chat.Error
}

func (a *answers) download(ctx context.Context, file string) error {
	ctx = chat.WithMaxBody(ctx, maxBatch)
	var (
		s    chat.Sending
		into *http.Response
	)
	resp, err := a.c.files.Content(s.Watch(ctx), file, option.WithResponseInto(&into))
	if failed := a.c.failed(ctx, &s, into, err); failed != nil {
		return notSent(failed)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := a.read(resp.Body); err != nil {
		return notSent(s.Failed(ctx, err))
	}
	return nil
}

// answerLine is one answer in a file of a batch.
type answerLine struct {
	ID       string `json:"custom_id"`
	Response *struct {
		Status    int             `json:"status_code"`
		RequestID string          `json:"request_id"`
		Body      json.RawMessage `json:"body"`
	} `json:"response"`
	Error *struct {
		Code string `json:"code"`
	} `json:"error"`
}

func (a *answers) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, firstBuffer), maxLine)
	for lines.Scan() {
		var l answerLine
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if json.Unmarshal(lines.Bytes(), &l) != nil || l.ID == "" {
			continue // nobody's answer: whoever asked finds none
		}
		reply, failed := a.c.batched(&l)
		if failed != nil {
			a.failed[l.ID] = failed
		} else {
			a.done[l.ID] = reply
		}
	}
	return lines.Err()
}

func (c *Client) batched(l *answerLine) (*chat.Reply, *chat.Error) {
	if l.Response == nil {
		e := &chat.Error{Kind: chat.KindServer}
		if l.Error != nil {
			e = chat.StatusError(http.StatusInternalServerError, nil, l.Error.Code, c.opts.Now())
			e.Status = 0
		}
		return nil, e
	}
	if l.Response.Status != http.StatusOK {
		var b struct {
			Error struct {
				Code string `json:"code"`
			} `json:"error"`
		}
		_ = json.Unmarshal(l.Response.Body, &b) //nolint:errcheck // without a code the status says enough
		e := chat.StatusError(l.Response.Status, nil, b.Error.Code, c.opts.Now())
		e.RequestID = chat.Name(l.Response.RequestID)
		return nil, e
	}
	read := readResponse
	if c.opts.API == ChatCompletions {
		read = readChat
	}
	reply, failed := read(l.Response.Body)
	if failed != nil {
		failed.RequestID = chat.Name(l.Response.RequestID)
		return nil, failed
	}
	reply.Batch, reply.Limits, reply.RequestID = true, chat.NoLimits(), chat.Name(l.Response.RequestID)
	return reply, nil
}
