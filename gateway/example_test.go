package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"

	"vigil"
	"vigil/gateway"
)

// printer is a Writer that prints what it is given.
var printer = vigil.WriterFunc(func(_ context.Context, events []*vigil.Event) error {
	for _, e := range events {
		var x vigil.Exchange
		if err := json.Unmarshal(e.Doc, &x); err != nil {
			return err
		}
		fmt.Println(x.Interaction, x.Type, x.Key, x.Status, x.Patients, x.User.Subject)
	}
	return nil
})

// Record every request to a FHIR server that is written in Go.
func ExampleGateway_Wrap() {
	g, err := gateway.New(gateway.Config{Writer: printer, Base: "/fhir"})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /fhir/Observation/{id}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json")
		io.WriteString(w, `{"resourceType":"Observation","id":"o-1","subject":{"reference":"Patient/p-1"}}`)
	})
	server := httptest.NewServer(g.Wrap(mux))
	defer server.Close()

	for _, id := range []string{"Observation/o-1", "Patient/p-2"} {
		r, _ := http.NewRequest(http.MethodGet, server.URL+"/fhir/"+id, nil)
		r.SetBasicAuth("nurse", "password")
		if resp, err := http.DefaultClient.Do(r); err == nil {
			resp.Body.Close()
		}
	}
	if err := g.Close(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// read Observation o-1 200 [Patient/p-1] nurse
	// read Patient p-2 404 [Patient/p-2] nurse
}

// Put recording around a ReverseProxy of one's own.
func ExampleGateway_Wrap_reverseProxy() {
	fhir := httptest.NewServer(http.NotFoundHandler())
	defer fhir.Close()
	upstream, _ := url.Parse(fhir.URL)
	g, err := gateway.New(gateway.Config{Writer: printer, Base: "/fhir"})
	if err != nil {
		fmt.Println(err)
		return
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetURL(upstream)
			pr.Out.Host = pr.In.Host // with its port: the server makes links of it
			pr.SetXForwarded()
		},
		Transport: gateway.NewTransport(),
	}
	server := httptest.NewServer(g.Wrap(proxy))
	defer server.Close()
	if resp, err := http.Get(server.URL + "/fhir/Patient?patient=p-1&name=x"); err == nil {
		resp.Body.Close()
	}
	if err := g.Close(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// search-type Patient  404 [Patient/p-1]
}

// Put a gateway of one line in front of a server that speaks FHIR.
func ExampleGateway_Proxy() {
	fhir := httptest.NewServer(http.NotFoundHandler())
	defer fhir.Close()
	upstream, _ := url.Parse(fhir.URL + "/fhir")
	g, err := gateway.New(gateway.Config{Writer: printer})
	if err != nil {
		fmt.Println(err)
		return
	}
	proxy, err := g.Proxy(gateway.ProxyConfig{Upstream: upstream})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(proxy)
	defer server.Close()
	if resp, err := http.Get(server.URL + "/fhir/Patient/p-1/$everything"); err == nil {
		resp.Body.Close()
	}
	if err := g.Close(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// operation Patient p-1 404 [Patient/p-1]
}
