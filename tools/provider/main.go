// The resource provider `pulumi-resource-docker`: the upstream Terraform provider behind Pulumi's bridge.
package main

import (
	"bytes"
	_ "embed"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/terraform-providers/terraform-provider-docker/pulumi/docker"
)

// The build writes it beside this file just before: go run ./schema schema --out .
//
//go:embed schema.json
var schema []byte

func main() {
	// The generator leaves the version out, and who asks for the schema needs it.
	versioned := bytes.Replace(schema, []byte("{"), []byte(`{"version":"`+docker.Version+`",`), 1)
	tfbridge.Main(docker.Name, docker.Version, docker.Info(), versioned)
}
