// Package chat lets language models answer the questions of package llm. [Model] puts a question
// into words (prompts, fences, redaction, schema), lets the model use tools within bounds, and asks
// for one repair of an answer of the wrong form. [Caller] makes the calls: limits, attempts,
// deadlines, and the money. A [Provider] is one maker's interface; llm/openai and llm/anthropic
// have them.
package chat
