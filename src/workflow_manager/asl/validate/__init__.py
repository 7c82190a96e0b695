"""
Is a definition sound?  Every problem at once, each with a code, a JSON Pointer, a sentence and a severity.

Codes are AWS's where AWS has one (ValidateStateMachineDefinition).  With an ERROR the definition cannot run; a WARNING
marks what hardly means what it says.

Our own codes: DUPLICATE_KEY (error); DISTRIBUTED_ONLY, JSONPATH_IN_JSONATA, RESERVED_NAME, UNDEFINED_VARIABLE
(warnings).
"""

from __future__ import annotations

from collections.abc import Mapping

from workflow_manager.asl.document import MAX_DEPTH
from workflow_manager.asl.machine import StateMachine, StateMachineType
from workflow_manager.asl.text import parse_json
from workflow_manager.asl.validate.judge import INVALID, Judge
from workflow_manager.asl.validate.machines import check_definition
from workflow_manager.asl.values import JSON, check_json, is_nested_deeper
from workflow_manager.exceptions import DefinitionError, InvalidValueError, Problem

__all__ = ["MAX_DEPTH", "validate"]


def validate(
    definition: Mapping[str, JSON] | str | StateMachine,
    type: StateMachineType | str = StateMachineType.STANDARD,
    *,
    allow_substitutions: bool = False,
) -> tuple[Problem, ...]:
    """
    Every problem of *definition* (a JSON object, JSON text, or a machine), as a state machine of *type*.

    With *allow_substitutions* a value that CloudFormation is still to fill in (``"${Name}"``, ``{"Ref": …}``,
    ``{"Fn::…": …}``) passes wherever it stands.

    Nothing that is asked to be judged makes this raise: what is no definition at all is a problem too.

    Raises:
        ValueError: *type* is neither STANDARD nor EXPRESS.

    Source: ASL specification; AWS's API ValidateStateMachineDefinition for codes; AWS Step Functions Developer Guide.
    """
    judge = Judge(kind=StateMachineType(type), substitutions=allow_substitutions)
    try:
        value = _document(judge, definition)
    except DefinitionError as error:
        return error.problems
    except InvalidValueError as error:
        return (Problem(INVALID, error.path, error.reason),)
    if is_nested_deeper(value, MAX_DEPTH):
        return (Problem("TOO_DEEPLY_NESTED", "", f"Objects and arrays are nested more than {MAX_DEPTH} deep"),)
    check_definition(judge, value)
    return tuple(judge.problems)


def _document(judge: Judge, definition: object) -> JSON:
    if isinstance(definition, str):
        value, problems = parse_json(definition)
        judge.problems.extend(problems)
        return value
    if isinstance(definition, StateMachine):
        return definition.to_dict()
    return check_json(definition, "definition")
