// Package llm judges one alert: three stages (enrich, correlate, classify), a panel of analysts
// for what stays disputed, and the guards that decide in code whether the judgement may close
// anything. It knows nothing of Splunk and imports the root package only.
//
// Analysts and models answer through one interface, [Model], in JSON that is decoded strictly, so
// that the guards bind all of them alike. What comes out is an [Analysis]: a verdict, and every
// objection to closing the alert on it. The caller adds the ceilings and the policy.
//
// Reading order: model.go, case.go, pipeline.go, the stages (enrich.go, correlate.go,
// classify.go, panel.go), then guards.go and the files it names.
package llm
