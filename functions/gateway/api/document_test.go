package api

import (
	"mp3converter/test/openapitest"
)

// exchanges records all requests of the package's tests that are sent by the client of a
// testGateway, and their responses. TestMain compares them with the OpenAPI document.
var exchanges = func() *openapitest.Recorder {
	document, err := openAPI.ReadFile("openapi.yaml")
	if err != nil {
		panic(err)
	}
	r, err := openapitest.New(document)
	if err != nil {
		panic(err)
	}
	return r
}()

// documentScope is what the tests of this package cover: everything.
var documentScope = openapitest.Scope{}
