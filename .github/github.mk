# What the workflows ask of GitHub, through its program gh, and the jobs of `make fanout` one by one.

# What is changed travels between jobs as a patch.
PATCH := build/changes.patch
# What the comment on a pull request starts with (tools/review/comment.py).
MARKER := <!-- clip-onnx: parity -->
# The branch on which the newest packages are proposed.
BRANCH ?= newest-packages
TITLE ?= $(error TITLE= is the heading of the issue or the pull request)
BODY ?= $(error BODY= is the file with its text)
AUTHOR := -c user.name=github-actions[bot] -c user.email=github-actions[bot]@users.noreply.github.com

.PHONY: summary post matrix inputs outputs patch apply no-report outcomes issue propose fanout-prepare fanout-model fanout-gather

summary:  ## add build/comment.md to the summary of a job of GitHub Actions
	@cat build/comment.md >> "$$GITHUB_STEP_SUMMARY"

post:  ## put build/comment.md on a pull request, in place of its last state: make post PR=7
	@test -n "$(PR)" || { echo "error: say which pull request: make post PR=7"; exit 1; }
	@comment="$$(gh api --paginate "repos/{owner}/{repo}/issues/$(PR)/comments" --jq \
		'.[] | select(.user.type == "Bot" and (.body | startswith("$(MARKER)"))) | .id')" && \
	if [ -n "$$comment" ]; then \
		gh api --silent --method PATCH "repos/{owner}/{repo}/issues/comments/$${comment%%[!0-9]*}" \
			--field body=@build/comment.md; \
	else \
		gh api --silent "repos/{owner}/{repo}/issues/$(PR)/comments" --field body=@build/comment.md; \
	fi

matrix: $(INSTALLED)  ## tell a job the models of `make fanout`; none without a remote for them to meet in
	@plan=; if [ -n "$$($(REMOTE))" ]; then plan="$$($(MAKE) --silent fanout-plan FORMAT=github)" || exit 1; fi; \
		echo "matrix=$$plan" | tee -a "$${GITHUB_OUTPUT:-/dev/null}"

inputs: $(INSTALLED)  ## pull from the default remote, if there is one, what `make runtimes` will read
	@if [ -n "$$($(REMOTE))" ]; then $(BIN)/python -m tools.pull runtimes/dvc.yaml; fi

outputs: $(INSTALLED)  ## push to the default remote, if there is one, what `make runtimes` made
	@if [ -n "$$($(REMOTE))" ]; then $(BIN)/dvc push runtimes/dvc.yaml; fi

patch:  ## write what differs from HEAD, new files too, into build/changes.patch, and tell a job whether anything does
	@mkdir -p build
	@git add --intent-to-add .
	@git diff --binary HEAD > $(PATCH)
	@if [ -s $(PATCH) ]; then changed=true; else changed=false; fi; \
		echo "changed=$$changed" | tee -a "$${GITHUB_OUTPUT:-/dev/null}"

apply:  ## put build/changes.patch into the working tree
	@git apply $(PATCH)

no-report:  ## write a report where what writes it broke before it could: make no-report BODY=build/rerun.md
	@mkdir -p build
	@echo "The rerun broke: $$GITHUB_SERVER_URL/$$GITHUB_REPOSITORY/actions/runs/$$GITHUB_RUN_ID" > "$(BODY)"

outcomes:  ## add to build/comment.md how steps ended: make outcomes RUNTIMES=success GATE=failure
	@printf '\nThe gate: %s. The foreign runtimes: %s.\n' "$(GATE)" "$(RUNTIMES)" >> build/comment.md

issue:  ## open an issue, or add to the open one of that title: make issue TITLE=… BODY=build/rerun.md
	@number="$$(gh issue list --state open --search 'in:title "$(TITLE)"' --json number --jq '.[0].number // empty')" && \
	if [ -n "$$number" ]; then gh issue comment "$$number" --body-file "$(BODY)"; \
	else gh issue create --title "$(TITLE)" --body-file "$(BODY)"; fi

propose:  ## commit build/changes.patch on a branch and open its pull request: make propose TITLE=… BODY=…
	@git switch --quiet --force-create $(BRANCH) && git apply --index $(PATCH) && \
		git $(AUTHOR) commit --quiet --message="$(TITLE)" && \
		git push --quiet --force origin $(BRANCH)
	@number="$$(gh pr list --head $(BRANCH) --json number --jq '.[0].number // empty')" && \
	if [ -n "$$number" ]; then gh pr edit "$$number" --title "$(TITLE)" --body-file "$(BODY)"; \
	else gh pr create --head $(BRANCH) --title "$(TITLE)" --body-file "$(BODY)"; fi

fanout-prepare: $(TEAM_INSTALLED)  ## the job before all others: what models share
	@$(BIN)/python -m tools.fanout prepare

fanout-model: $(TEAM_INSTALLED)  ## one model's job: MODEL=vit-b-32
	@$(BIN)/python -m tools.fanout model "$(MODEL)"

fanout-gather: $(TEAM_INSTALLED)  ## the job after all others: dvc.lock and metrics
	@$(BIN)/python -m tools.fanout gather
