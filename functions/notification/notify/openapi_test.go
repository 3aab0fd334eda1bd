package notify

import (
	"encoding/json"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"mp3converter/shared/conversion"
)

// Messages are as the API's description says.
func TestMessagesMatchOpenAPI(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromFile("../../gateway/api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	schema := doc.Components.Schemas["Message"].Value
	known := schema.Properties
	for name, failure := range map[string]*conversion.Failure{"done": nil, "failed": conversion.Corrupt} {
		h, s := startHook(t), newStore(t)
		n := hookNotifier(t, s, h, h.config(t))
		n.configure(t, h.URL)
		if err := n.Notify(t.Context(), finished(t, s, failure).ID); err != nil {
			t.Fatal(err)
		}
		var message map[string]any
		if err := json.Unmarshal(h.all()[0].body, &message); err != nil {
			t.Fatal(err)
		}
		if err := schema.VisitJSON(message, openapi3.EnableJSONSchema2020()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for member := range message {
			if known[member] == nil {
				t.Errorf("%s: the description does not mention %s", name, member)
			}
		}
		for member := range message["data"].(map[string]any) {
			if known["data"].Value.Properties[member] == nil {
				t.Errorf("%s: the description does not mention data.%s", name, member)
			}
		}
	}
}
