# winnow: `make help` lists the targets.
SHELL := /bin/sh
GO ?= go
export CGO_ENABLED ?= 0
VERSION ?= dev
LDFLAGS := -s -w -X main.release=$(VERSION)
APP := build/winnow

.PHONY: build
build:
	@mkdir -p $(APP)/bin
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(APP)/bin/ ./plugin/cmd/winnow ./plugin/cmd/winnow_triage
	@cp -R packaging/app/. $(APP)/
