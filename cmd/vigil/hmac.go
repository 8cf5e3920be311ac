package main

import (
	"context"
	"errors"
	"fmt"
)

type hmacCmd struct {
	KeyFile string   `name:"key-file" required:"" help:"File with the key, as the gateway's pseudonym-key." placeholder:"FILE"`
	Values  []string `arg:"" name:"value" help:"What the pseudonyms stand for." placeholder:"VALUE"`
}

// Help says what to do with the answer.
func (*hmacCmd) Help() string {
	return `A pseudonym finds its value in the records: vigil query "exchanges?event->>query=like.*$(vigil hmac --key-file KEY VALUE)*"`
}

// Run prints the pseudonym of each value, as a gateway with that key records it.
func (c *hmacCmd) Run(_ context.Context, std *stdio) error {
	p, err := readPseudonyms(c.KeyFile)
	if err != nil {
		return err
	}
	if p == nil {
		return usageError{errors.New("give the key by --key-file")}
	}
	for _, v := range c.Values {
		fmt.Fprintln(std.Out, p.Of(v))
	}
	return nil
}
