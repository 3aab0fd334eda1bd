package convert

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"mp3converter/shared/conversion"
)

// addOptions adds a flag for each conversion option. The returned function returns those
// that are given, by the names of the API.
func addOptions(cmd *cobra.Command) func() (map[string]string, error) {
	flags := cmd.Flags()
	for _, option := range conversion.AllOptions {
		name, usage := flagName(option.Name), strings.ReplaceAll(option.Description, "`", "")
		if _, ok := option.Values.(conversion.Boolean); ok {
			flags.Bool(name, false, usage)
			continue
		}
		list := completions(option.Values)
		if list != nil {
			usage += " One of " + strings.Join(list, ", ") + "."
		}
		flags.String(name, "", usage)
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp))
	}
	return func() (map[string]string, error) {
		given := map[string]string{}
		for _, option := range conversion.AllOptions {
			name := flagName(option.Name)
			if !flags.Changed(name) {
				continue
			}
			given[option.Name] = flags.Lookup(name).Value.String()
			if given[option.Name] == "" {
				return nil, fmt.Errorf("--%s is empty", name)
			}
		}
		if _, err := conversion.ParseOptions(given); err != nil {
			return nil, fmt.Errorf("--%s", strings.ReplaceAll(err.Error(), "_", "-"))
		}
		return given, nil
	}
}

func flagName(option string) string { return strings.ReplaceAll(option, "_", "-") }

// completions lists the values that a shell can complete.
func completions(values conversion.Values) []string {
	switch v := values.(type) {
	case conversion.Names:
		return v
	case conversion.Integers:
		var list []string
		for _, n := range v {
			list = append(list, strconv.Itoa(n))
		}
		return list
	}
	return nil
}
