// Package llmtest is a language model's server for tests, on loopback. It speaks the interfaces that
// winnow uses (OpenAI's Responses, Chat Completions, Files and Batches, Anthropic's Messages), holds
// requests against their documented form more strictly than the providers do, fails as it is told to,
// and keeps a ledger of its own of what it would bill. What it answers is up to a [Brain].
//
// Tokens are counted by a rule that tests can compute (see [Tokens]): a token for every four bytes of
// a text, rounded up, and four for every message.
package llmtest
