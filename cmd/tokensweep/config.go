package main

import (
	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
)

// deployment is the part of the product's deployment.toml that concerns token
// clean-up.
type deployment struct {
	OAuth struct {
		TokenCleanup struct {
			Enable *bool `toml:"enable"`
			Retain *bool `toml:"retain_access_tokens_for_auditing"`
		} `toml:"token_cleanup"`
	} `toml:"oauth"`
}

// followConfig takes the audit setting from the product's configuration. Flags
// of the command line go first.
func followConfig(c *cobra.Command, path string, engine *engineFlags) error {
	if path == "" {
		return nil
	}
	var d deployment
	if _, err := toml.DecodeFile(path, &d); err != nil {
		return usage("--config: %v", err)
	}
	settings := d.OAuth.TokenCleanup
	if settings.Enable != nil && !*settings.Enable {
		return usage("%s says [oauth.token_cleanup] enable = false: set it to true, or run without --config", path)
	}
	if settings.Retain != nil && !c.Flags().Changed("audit") && !c.Flags().Changed("no-audit") {
		engine.audit = *settings.Retain
	}
	return nil
}
