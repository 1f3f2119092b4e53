package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// field is one fact of a step; fields keep their order when printed, which a map would not.
type field struct {
	name  string
	value any
}

type fields []field

// MarshalJSON writes the fields as one object.
func (f fields) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	for i, each := range f {
		value, err := json.Marshal(each.value)
		if err != nil {
			return nil, err
		}
		separator := ","
		if i == 0 {
			separator = "{"
		}
		fmt.Fprintf(&out, "%s%q:%s", separator, each.name, value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// report prints the outcome of each step: a line and a table for people, or one JSON object a line for programs.
type report struct {
	asJSON bool
}

// done prints a step whose checks hold.
func (r report) done(step string, facts fields) {
	if r.asJSON {
		printJSON(append(fields{{"step", step}, {"ok", true}}, facts...))
		return
	}
	var line []string
	var shown []card
	for _, each := range facts {
		if cards, ok := each.value.([]card); ok {
			shown = cards
		} else {
			line = append(line, each.name+"="+text(each.value))
		}
	}
	fmt.Printf("%-20s %s\n", step, strings.Join(line, "  "))
	for _, each := range shown {
		fmt.Printf("    %-32.32s  %-11.11s  %-16.16s  %-6v  %.70s\n",
			each.ProductName, each.Price, each.Algorithm, each.Score, each.Reason)
	}
}

// failed prints the step that ended the journey, and why.
func (r report) failed(step string, err error) {
	if r.asJSON {
		printJSON(fields{{"step", step}, {"ok", false}, {"error", err.Error()}})
	} else {
		fmt.Fprintf(os.Stderr, "%s: %v\n", step, err)
	}
}

func printJSON(line fields) {
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		panic(err) // all values come from this program: nothing here cannot be encoded
	}
}

// text returns a value as people read it: lists with commas, objects as their values.
func text(value any) string {
	switch value := value.(type) {
	case fields:
		return join(value, " ", func(each field) string { return text(each.value) })
	case []fields:
		return join(value, ", ", func(each fields) string { return text(each) })
	case []string:
		return join(value, ", ", func(each string) string { return each })
	case []bool:
		return join(value, ", ", func(each bool) string { return fmt.Sprint(each) })
	default:
		return fmt.Sprint(value)
	}
}

func join[T any](values []T, separator string, text func(T) string) string {
	parts := make([]string, len(values))
	for i, each := range values {
		parts[i] = text(each)
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, separator)
}
