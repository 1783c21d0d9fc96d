"""What a model's files are measured against."""

import numpy as np
from tqdm import tqdm

from clip_onnx.measure import inputs


class Truth:
    """What OpenAI's code computes of the evaluation split; None of a tower that there is not."""

    def __init__(self, reference):
        self.directory = reference
        self.index = inputs.index(reference)
        captions = inputs.captions(reference)
        self.rows = inputs.rows_of(self.index, inputs.EVALUATION)
        self.labelled = inputs.rows_of(self.index, inputs.LABELLED)
        self.labels = np.array([self.index[row]["label"] for row in self.labelled])
        self.texts = captions[inputs.EVALUATION]
        with inputs.reference(reference) as tensors:
            found = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
            self.token_rows = inputs.token_rows(tensors) if "input_ids" in found else None
        self.text_embeds, self.all_embeds = found.get("text_embeds"), found.get("image_embeds")
        self.context = self.classes = self.image_embeds = None
        if self.text_embeds is not None:
            self.context = found["input_ids"].shape[1]  # tokens that the model reads
            self.classes = self.text_embeds[: captions["prompts"]]
        if self.all_embeds is not None:
            self.image_embeds = self.all_embeds[self.rows]

    def pixels(self, rows):
        """float32 [rows, 3, R, R]."""
        return inputs.pixels(self.directory, rows)

    def pictures(self, evalset):
        """The evaluation pictures one by one, uint8 [height, width, 3]."""
        for row in tqdm(self.rows, desc="pictures"):
            yield inputs.picture(evalset, self.index[row]["name"])
