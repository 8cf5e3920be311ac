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
	return `A pseudonym is hmac:KEY:VALUE, where KEY tells keys apart. What stands behind
the last colon finds it in the records, in queries too, where a colon is %3A:

    vigil query "exchanges?event->>query=like.*$(vigil hmac --key-file KEY VALUE | cut -d: -f3)*"`
}

// Run prints the pseudonym of each value, as a gateway with that key records it.
func (c *hmacCmd) Run(_ context.Context, std *stdio) error {
	p, err := readPseudonyms("--key-file", c.KeyFile)
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
