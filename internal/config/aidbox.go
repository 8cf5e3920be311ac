package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// aidboxTables are the tables whose events Aidbox's lines are a view of.
var aidboxTables = []string{"exchanges", "logs", "system"}

// aidboxAliases are Aidbox's names, old and new, of its log appenders. Each
// appender becomes a sink, beside those of the setting sinks. Where an old and a
// new name are both given the new one, which is later, wins.
func aidboxAliases() []alias {
	var out []alias
	for _, a := range []struct {
		names string // old ones first
		sink  string
		set   func(s *Sink, text string) error
	}{
		{"AIDBOX_LOGS BOX_OBSERVABILITY_LOG_FILE_PATH", "file", setPath},
		{"AIDBOX_LOGS_MAX_LINES BOX_OBSERVABILITY_LOG_FILE_MAX_LINES", "file", count(func(s *Sink) *int { return &s.MaxLines })},
		{"AIDBOX_STDOUT_JSON BOX_OBSERVABILITY_STDOUT_LOG_LEVEL", "stdout", setLevel},
		{"AIDBOX_STDOUT_PRETTY BOX_OBSERVABILITY_STDOUT_PRETTY_LOG_LEVEL", "pretty", setLevel},
		{"AIDBOX_STDOUT_GOOGLE_JSON BOX_OBSERVABILITY_STDOUT_GOOGLE_LOG_LEVEL", "google", setLevel},
		{"AIDBOX_ES_URL BOX_OBSERVABILITY_ELASTIC_SEARCH_URL BOX_OBSERVABILITY_ELASTICSEARCH_URL", "elasticsearch", setURL},
		{"AIDBOX_ES_AUTH BOX_OBSERVABILITY_ELASTIC_SEARCH_AUTH BOX_OBSERVABILITY_ELASTICSEARCH_AUTH", "elasticsearch", setAuth},
		{"AIDBOX_ES_BATCH_SIZE BOX_OBSERVABILITY_ELASTIC_BATCH_SIZE BOX_OBSERVABILITY_ELASTICSEARCH_BATCH_SIZE", "elasticsearch", count(batchLines)},
		{"AIDBOX_ES_BATCH_TIMEOUT BOX_OBSERVABILITY_ELASTIC_BATCH_TIMEOUT BOX_OBSERVABILITY_ELASTICSEARCH_BATCH_TIMEOUT", "elasticsearch", setBatchTime},
		{"AIDBOX_ES_INDEX_PAT BOX_OBSERVABILITY_ELASTIC_INDEX_PATTERN BOX_OBSERVABILITY_ELASTICSEARCH_INDEX_PATTERN", "elasticsearch", word(func(s *Sink) *string { return &s.Index })},
		{"AIDBOX_LK_URL BOX_OBSERVABILITY_LOKI_URL", "loki", setURL},
		{"AIDBOX_LK_BATCH_SIZE BOX_OBSERVABILITY_LOKI_BATCH_SIZE", "loki", count(batchLines)},
		{"AIDBOX_LK_BATCH_TIMEOUT BOX_OBSERVABILITY_LOKI_BATCH_TIMEOUT", "loki", setBatchTime},
		{"AIDBOX_LK_STREAM BOX_OBSERVABILITY_LOKI_STREAM", "loki", setStream},
		{"AIDBOX_DD_API_KEY BOX_DD_API_KEY BOX_OBSERVABILITY_DATADOG_API_KEY", "datadog", word(func(s *Sink) *string { return &s.APIKey })},
		{"AIDBOX_DD_SITE BOX_DD_SITE BOX_OBSERVABILITY_DATADOG_SITE", "datadog", word(func(s *Sink) *string { return &s.Site })},
		{"AIDBOX_DD_TAGS BOX_DD_TAGS BOX_OBSERVABILITY_DATADOG_TAGS", "datadog", word(func(s *Sink) *string { return &s.Tags })},
		{"AIDBOX_DD_LOGS BOX_OBSERVABILITY_DATADOG_LOGS", "datadog", word(func(s *Sink) *string { return &s.Refused })},
		{"AIDBOX_DD_BATCH_SIZE BOX_DD_BATCH_SIZE BOX_OBSERVABILITY_DATADOG_BATCH_SIZE", "datadog", count(batchLines)},
		{"AIDBOX_DD_BATCH_TIMEOUT BOX_DD_BATCH_TIMEOUT BOX_OBSERVABILITY_DATADOG_BATCH_TIMEOUT", "datadog", setBatchTime},
		{"BOX_OBSERVABILITY_OTEL_LOGS_URL", "otel", setURL},
		{"BOX_OBSERVABILITY_OTEL_LOGS_REQUEST_HEADERS", "otel", setHeaders},
		{"BOX_OBSERVABILITY_OTEL_LOGS_BATCH_MAX_SIZE", "otel", count(batchLines)},
		{"BOX_OBSERVABILITY_OTEL_LOGS_BATCH_TIMEOUT", "otel", setBatchTime},
	} {
		for name := range strings.FieldsSeq(a.names) {
			out = append(out, alias{env: name, setting: "sinks", set: func(c *Config, text, _ string) error {
				return a.set(c.aidboxSink(a.sink), text)
			}})
		}
	}
	return out
}

// aidboxAppenders are the sinks that Aidbox's settings are about, as its
// documentation says what they do when nothing else is said.
var aidboxAppenders = map[string]Sink{
	"file":          {Type: "file", Format: "aidbox", MaxLines: 10000},
	"stdout":        {Type: "stdout", Format: "aidbox"},
	"pretty":        {Type: "stdout", Format: "aidbox-pretty"},
	"google":        {Type: "stdout", Format: "aidbox-google"},
	"elasticsearch": {Type: "elasticsearch", Format: "aidbox", Index: "'aidbox-logs'-yyyy-MM-dd"},
	"loki":          {Type: "loki", Format: "aidbox", Labels: map[string]string{"box": "aidbox"}},
	"datadog":       {Type: "datadog", Format: "aidbox", Source: "aidbox", Service: "aidbox"},
	"otel":          {Type: "otlp", Format: "aidbox"},
}

// aidboxSink returns the sink of an appender, begun where it is not there.
func (c *Config) aidboxSink(name string) *Sink {
	for i := range c.aidbox {
		if c.aidbox[i].Name == "aidbox-"+name {
			return &c.aidbox[i]
		}
	}
	s := aidboxAppenders[name]
	s.Name, s.Tables = "aidbox-"+name, aidboxTables
	c.aidbox = append(c.aidbox, s)
	return &c.aidbox[len(c.aidbox)-1]
}

// addAidboxSinks adds the appenders that are complete to the sinks. One that
// only has a batch size or a level of off is none in Aidbox either.
func (c *Config) addAidboxSinks() {
	for _, s := range c.aidbox {
		on := s.URL != "" || s.Path != ""
		switch s.Type {
		case "stdout":
			on = s.Level != "" && s.Level != "off"
		case "datadog":
			on = s.APIKey != ""
		}
		if on {
			c.Sinks = append(c.Sinks, s)
		}
	}
}

func setPath(s *Sink, text string) error {
	if strings.HasSuffix(text, "/") {
		return errors.New("want the path of a file")
	}
	s.Path = text
	return nil
}

func setLevel(s *Sink, text string) (err error) {
	s.Level, err = oneOf("off", "fatal", "error", "warn", "info", "debug", "trace", "all", "true")(text)
	return err
}

func setURL(s *Sink, text string) error {
	s.URL = text
	return checkURL(text)
}

func setAuth(s *Sink, text string) error {
	var ok bool
	if s.User, s.Password, ok = strings.Cut(text, ":"); !ok {
		return errors.New("want USER:PASSWORD")
	}
	return nil
}

func batchLines(s *Sink) *int { return &s.BatchLines }

func count(field func(*Sink) *int) func(*Sink, string) error {
	return func(s *Sink, text string) error {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return errors.New("want a number from 1 up")
		}
		*field(s) = n
		return nil
	}
}

func word(field func(*Sink) *string) func(*Sink, string) error {
	return func(s *Sink, text string) error {
		*field(s) = text
		return nil
	}
}

// setBatchTime reads milliseconds. Vigil waits at most ten seconds: Aidbox's own
// minute is for how long lines may stay unsent, not for how long they must.
func setBatchTime(s *Sink, text string) error {
	ms, err := strconv.Atoi(text)
	if err != nil || ms < 0 {
		return errors.New("want milliseconds")
	}
	s.BatchTime = min(time.Duration(ms)*time.Millisecond, 10*time.Second)
	return nil
}

func setStream(s *Sink, text string) error {
	labels := map[string]string{}
	if err := json.Unmarshal([]byte(text), &labels); err != nil {
		return errors.New(`want labels as JSON, such as {"box": "aidbox"}`)
	}
	s.Labels = labels
	return nil
}

// setHeaders reads Name:Value lines; the lines may be separated by a written \n.
func setHeaders(s *Sink, text string) error {
	s.Headers = map[string]string{}
	for i, line := range strings.Split(strings.ReplaceAll(text, `\n`, "\n"), "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, v, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return fmt.Errorf("line %d: want Name:Value", i+1)
		}
		s.Headers[strings.TrimSpace(name)] = strings.TrimSpace(v)
	}
	return nil
}
