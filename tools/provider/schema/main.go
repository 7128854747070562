// Writes the Pulumi schema of the provider, which the provider itself carries and answers with.
package main

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfgen"
	"github.com/terraform-providers/terraform-provider-docker/pulumi/docker"
)

func main() {
	tfgen.Main(docker.Name, docker.Version, docker.Info())
}
