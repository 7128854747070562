// Package docker names the Terraform provider's resources as the Pulumi SDK `pulumi-docker` knows them.
package docker

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	sdkv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

const (
	Name = "docker"
	// Version is the SDK version on PyPI that this provider answers to: both sides must name the same one.
	Version = "5.2.0"
)

// Info describes the provider to the bridge.
func Info() tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P:           sdkv2.NewProvider(provider.New(Version)()),
		Name:        Name,
		Version:     Version,
		Config:      config(),
		Resources:   resources(),
		DataSources: functions(),
	}
	info.SetAutonaming(255, "-")
	return info
}

func config() map[string]*tfbridge.SchemaInfo {
	return map[string]*tfbridge.SchemaInfo{
		"host":          {Default: &tfbridge.DefaultInfo{EnvVars: []string{"DOCKER_HOST"}}},
		"registry_auth": {Name: "registryAuth", MaxItemsOne: tfbridge.False()},
	}
}

func resources() map[string]*tfbridge.ResourceInfo {
	named := map[string]string{
		"docker_buildx_builder": "BuildxBuilder",
		"docker_config":         "ServiceConfig",
		"docker_container":      "Container",
		"docker_image":          "RemoteImage",
		"docker_network":        "Network",
		"docker_plugin":         "Plugin",
		"docker_registry_image": "RegistryImage",
		"docker_secret":         "Secret",
		"docker_service":        "Service",
		"docker_tag":            "Tag",
		"docker_volume":         "Volume",
	}
	infos := make(map[string]*tfbridge.ResourceInfo, len(named))
	for upstream, name := range named {
		infos[upstream] = &tfbridge.ResourceInfo{Tok: tfbridge.MakeResource(Name, "index", name)}
	}
	infos["docker_container"].DeleteBeforeReplace = true
	infos["docker_container"].Fields = map[string]*tfbridge.SchemaInfo{
		// Lists that the bridge would put in the plural.
		"command":           {Name: "command"},
		"networks_advanced": {Name: "networksAdvanced"},
	}
	return infos
}

func functions() map[string]*tfbridge.DataSourceInfo {
	named := map[string]string{
		"docker_image":                    "getRemoteImage",
		"docker_logs":                     "getLogs",
		"docker_network":                  "getNetwork",
		"docker_plugin":                   "getPlugin",
		"docker_registry_image":           "getRegistryImage",
		"docker_registry_image_manifests": "getRegistryImageManifests",
	}
	infos := make(map[string]*tfbridge.DataSourceInfo, len(named))
	for upstream, name := range named {
		infos[upstream] = &tfbridge.DataSourceInfo{Tok: tfbridge.MakeDataSource(Name, "index", name)}
	}
	return infos
}
