"""SAM and CloudFormation templates: a function, and the services in front of it, as the gateway runs them."""

from bridge.local.template.document import InvalidTemplate
from bridge.local.template.function import Template, read_template
from bridge.local.template.sources import TemplateSource

__all__ = ["InvalidTemplate", "Template", "TemplateSource", "read_template"]
